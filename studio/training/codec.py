"""Training a codec to reconstruct loops, on a CPU.

Owns initial weights, the reconstruction stage and the measures of a codec. The adversarial stage
that follows is in `adversarial`; the network itself is the torch backend's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from studio.core.errors import TrainingError
from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.training.bank import LoopBank
from studio.training.journal import Journal
from studio.training.number_format import Products
from studio.training.quantizer import CodebookLearner
from studio.training.schedule import ClockSchedule
from studio.training.spectral import AttackDistance, MelDistance, PitchDistance, si_sdr_db

HOUSE_CODEC = EncodecConfig(
    sampling_rate=32_000,
    num_filters=16,
    hidden_size=64,
    codebook_size=512,
    codebooks=6,
    upsampling_ratios=(8, 5, 4, 4),
)
_MEASURE_EVERY_SECONDS = 240
_LOCKED_BY_STEP = 300


@dataclass(frozen=True, kw_only=True)
class ReconstructionRecipe:
    """How the reconstruction stage runs.

    Attributes:
        minutes: Wall time.
        batch: Excerpts a step.
        excerpt_frames: Length of each, in sample frames.
        free_steps: Steps before the quantiser starts.
        learning_rate: Peak of the schedule.
    """

    minutes: float = 20.0
    batch: int = 10
    excerpt_frames: int = 30_720
    free_steps: int = 600
    learning_rate: float = 1e-3


@torch.no_grad()
def set_initial_weights(model: EncodecModel) -> None:
    """Draw weights that keep the variance of the signal through every layer.

    The usual uniform draw lets the signal die on the way down, and the codebooks collapse.
    """
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            fan_in = layer.in_channels * layer.kernel_size[1]
            if isinstance(layer, nn.ConvTranspose2d):
                fan_in //= layer.stride[1]
            gain = 1.4
            if ".shortcut." in name:
                gain = 1.0
            elif ".block.3." in name:
                gain = 0.7
            nn.init.normal_(layer.weight, 0, gain / math.sqrt(fan_in))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    last = model.decoder.layers[-1].get_submodule("conv")
    assert isinstance(last, nn.Conv2d)
    last.weight.mul_(0.2)


def train_reconstruction(
    train: LoopBank,
    held_out: LoopBank,
    recipe: ReconstructionRecipe,
    journal: Journal,
    start: EncodecModel | None = None,
) -> EncodecModel:
    """Train encoder, codebooks and decoder together.

    Args:
        train: What to learn from.
        held_out: What to measure on.
        recipe: Time and sizes.
        journal: Where figures go.
        start: A codec to go on from, codebooks included; None begins anew.

    Raises:
        TrainingError: The signal died in the first steps; no time is wasted on the rest.
    """
    torch.manual_seed(1)
    model = EncodecModel(HOUSE_CODEC) if start is None else start.train()
    learner = CodebookLearner(*model.codebooks.shape)
    if start is None:
        set_initial_weights(model)
    else:
        learner.go_on_from(model.codebooks)
    distance = MelDistance()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0, fused=True
    )
    peak = recipe.learning_rate if start is None else recipe.learning_rate / 2
    schedule = ClockSchedule(minutes=recipe.minutes, peak=peak, floor=2e-5, warm_up_steps=100)
    excerpts = _excerpts(train, recipe)
    products = codec_products(model)
    measured = 0.0
    step = 0
    while not schedule.over:
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        audio = next(excerpts)
        if step == recipe.free_steps and not learner.started:
            learner.start(_sample_latents(model, excerpts))
        with products():
            latents = model.latents(audio)
        quantised, commitment = learner(latents.float())
        with products():
            rebuilt = model.synthesise(quantised)
        reference, rebuilt = audio[:, 0], rebuilt[:, 0].float()
        logarithmic, linear = distance(reference, rebuilt)
        wave = (reference - rebuilt).abs().mean()
        wave_weight = _wave_weight(step, learner)
        loss = logarithmic + 8 * linear + wave_weight * wave + 0.25 * commitment
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % 50 == 0:
            ratio = si_sdr_db(reference, rebuilt.detach()).median().item()
            if start is None and step == _LOCKED_BY_STEP and ratio < 2.0:
                raise TrainingError(
                    f"The codec does not learn: {ratio:.1f} dB after {step} steps; "
                    "try another seed or a lower learning rate."
                )
            journal.write(
                "codec",
                step=step,
                loss=round(loss.item(), 3),
                log_mel=round(logarithmic.item(), 3),
                si_sdr_db=round(ratio, 1),
                revived_codes=learner.revived,
            )
        if schedule.elapsed_seconds - measured > _MEASURE_EVERY_SECONDS and learner.started:
            measured = schedule.elapsed_seconds
            model.codebooks.copy_(learner.codebooks)
            journal.write("codec measured", step=step, **measure_codec(model, held_out))
    model.codebooks.copy_(learner.codebooks)
    journal.write("codec done", step=step, **measure_codec(model, held_out))
    return model.eval()


def codec_products(model: EncodecModel) -> Products:
    """The number format that this codec can be trained in here."""
    return Products.checked(lambda waveforms: model.synthesise(model.latents(waveforms)))


def _wave_weight(step: int, learner: CodebookLearner) -> float:
    """Weight of the waveform's L1: high at first, or polarity and phase are found by luck."""
    if learner.started:
        return 6.0
    return 30.0 if step < _LOCKED_BY_STEP else 12.0


def _excerpts(bank: LoopBank, recipe: ReconstructionRecipe) -> Iterator[Tensor]:
    rng = np.random.default_rng(0)
    while True:
        rows = bank.random_excerpts(recipe.batch, recipe.excerpt_frames, rng)
        yield torch.from_numpy(rows)[:, None]


@torch.no_grad()
def _sample_latents(model: EncodecModel, excerpts: Iterator[Tensor]) -> Tensor:
    latents = torch.cat([model.latents(next(excerpts)) for _ in range(30)])
    return latents.permute(0, 2, 1).reshape(-1, latents.shape[1])


def held_out_excerpts(bank: LoopBank, count: int = 32, frames: int = 96_000) -> Tensor:
    """The beginnings of the first `count` loops, played round: [count, frames]."""
    rows = [bank.excerpt(i, 0, frames) for i in range(min(count, len(bank)))]
    return torch.from_numpy(np.stack(rows))


@torch.inference_mode()
def measure_codec(model: EncodecModel, bank: LoopBank) -> dict[str, object]:
    """Reconstruction and codebook use on held-out loops."""
    was_training = model.training
    model.eval()
    audio = held_out_excerpts(bank)
    codes = torch.cat([model.encode(part[:, None]) for part in audio.split(8)])
    rebuilt = torch.cat([model.decode(part)[:, 0] for part in codes.split(8)])
    model.train(was_training)
    distance, short = MelDistance(), MelDistance(((32, 6), (64, 10)))
    attack_bands, attack_strength = AttackDistance()(audio, rebuilt)
    perplexity, used = [], []
    for k in range(codes.shape[1]):
        share = torch.bincount(codes[:, k].flatten(), minlength=model.config.codebook_size).float()
        share = share / share.sum()
        perplexity.append(round(math.exp(-(share * torch.log(share + 1e-12)).sum().item())))
        used.append(round((share > 0).float().mean().item(), 3))
    return {
        "log_mel": round(distance(audio, rebuilt)[0].item(), 3),
        "short_log_mel": round(short(audio, rebuilt)[0].item(), 3),
        "pitch": round(PitchDistance()(audio, rebuilt).item(), 3),
        "attack": round(attack_bands.item(), 3),
        "attack_strength": round(attack_strength.item(), 3),
        "si_sdr_db": round(si_sdr_db(audio, rebuilt).mean().item(), 2),
        "perplexity": perplexity,
        "codes_used": used,
        "high_band_kurtosis": round(_kurtosis(rebuilt), 1),
        "high_band_kurtosis_original": round(_kurtosis(audio), 1),
    }


def _kurtosis(audio: Tensor) -> float:
    """Median kurtosis above about 500 Hz; a click train shows here as a high figure."""
    low = nn.functional.avg_pool1d(audio[:, None], 33, 1, 16)[:, 0]
    high = audio - low
    fourth, second = high.pow(4).mean(-1), high.pow(2).mean(-1)
    return (fourth / second.pow(2).clamp_min(1e-20)).median().item()
