"""Training a codec against discriminators.

Owns the spectrogram discriminators and the two stages that use them: one trains the whole codec,
before anything is encoded; one sharpens the decoder alone, and as encoder and codebooks stay as
they are, tokens made before it stay valid after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studio.models.torch_backend.codec import EncodecModel
from studio.training.bank import LoopBank
from studio.training.codec import codec_products, measure_codec
from studio.training.journal import Journal
from studio.training.number_format import Products
from studio.training.quantizer import CodebookLearner
from studio.training.schedule import ClockSchedule
from studio.training.spectral import (
    SHORT_RESOLUTIONS,
    AttackDistance,
    MelDistance,
    PitchDistance,
)

_WINDOWS = (128, 512, 2048)
_DISCRIMINATOR_LEAD_STEPS = 150
_ATTACK_WEIGHT, _STRENGTH_WEIGHT = 4.0, 2.0
_MEASURE_EVERY_SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe:
    """How the adversarial stage runs.

    Attributes:
        minutes: Wall time.
        batch: Excerpts a step.
        excerpt_frames: Judged length of each, in sample frames.
        margin_frames: Played before and after it so that the ends are not judged.
        whole: Whether encoder and codebooks learn too, and earlier tokens lose their meaning.
        kept_codebooks: How many of the first codebooks stay as they are even then: what a code
            of theirs means stays, though a sound may get others.
    """

    minutes: float = 12.0
    batch: int = 8
    excerpt_frames: int = 16_000
    margin_frames: int = 2_560
    whole: bool = False
    kept_codebooks: int = 0


class SpectrogramDiscriminator(nn.Module):
    """Convolutions over a complex spectrogram with square-root magnitudes."""

    def __init__(self, n_fft: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft))
        widths = (2, 12, 16, 16, 16, 1)
        kernels = ((5, 3), (5, 3), (5, 3), (3, 3), (3, 3))
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(
                nn.Conv2d(
                    widths[i],
                    widths[i + 1],
                    kernel,
                    stride=(2, 1) if i < 3 else 1,
                    padding=(kernel[0] // 2, kernel[1] // 2),
                )
            )
            for i, kernel in enumerate(kernels)
        )

    def judgement(self, waveforms: Tensor) -> Tensor:
        """The judgement alone of waveforms [B, 1, N]."""
        judgement: Tensor = self(waveforms[:, 0])[0]
        return judgement

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Audio [B, N] to (judgement, features of every hidden layer)."""
        spectrum = torch.stft(
            audio,
            self.n_fft,
            self.n_fft // 4,
            window=self.get_buffer("window"),
            return_complex=True,
        )
        parts = torch.view_as_real(spectrum)
        flattened = parts * (parts.pow(2).sum(-1, keepdim=True) + 1e-6).pow(-0.25)
        x = flattened.permute(0, 3, 1, 2) / self.n_fft**0.25
        features = []
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        judgement: Tensor = self.layers[-1](x)
        return judgement.float(), features


def train_judged(
    model: EncodecModel,
    train: LoopBank,
    held_out: LoopBank,
    recipe: AdversarialRecipe,
    journal: Journal,
) -> EncodecModel:
    """Train a codec that already works with hinge losses and feature matching.

    Losses as in Kumar et al. 2023, "High-Fidelity Audio Compression with Improved RVQGAN". Very
    short windows join the mel distance: without them noise turns into a train of clicks. Bands of
    a semitone do, too: without them noise fills the gaps between the partials of a chord. And the
    rises of all bands: without them soft attacks are smeared.
    """
    torch.manual_seed(1)
    rng = np.random.default_rng(7)
    model.train()
    each = [SpectrogramDiscriminator(n_fft) for n_fft in _WINDOWS]
    judges = nn.ModuleList(each)
    distance = MelDistance(SHORT_RESOLUTIONS)
    pitch_distance, attack_distance = PitchDistance(), AttackDistance()
    learner: CodebookLearner | None = None
    trained = list(model.decoder.parameters())
    if recipe.whole:
        codebooks, codes, dimension = model.codebooks.shape
        learner = CodebookLearner(codebooks, codes, dimension, kept=recipe.kept_codebooks)
        learner.go_on_from(model.codebooks)
        trained = list(model.parameters())
    decoder_optimiser = torch.optim.AdamW(
        trained, lr=3e-4, betas=(0.5, 0.95), weight_decay=0, fused=True
    )
    judge_optimiser = torch.optim.AdamW(
        judges.parameters(), lr=6e-4, betas=(0.5, 0.95), weight_decay=0, fused=True
    )
    decoder_rate = ClockSchedule(minutes=recipe.minutes, peak=3e-4, floor=1e-5, warm_up_steps=50)
    judge_rate = ClockSchedule(minutes=recipe.minutes, peak=6e-4, floor=1e-4, warm_up_steps=1)
    margin = recipe.margin_frames
    products = codec_products(model)
    judging = Products.checked(*(judge.judgement for judge in each))
    journal.write("formats", codec_bfloat16=products.bfloat16, judges_bfloat16=judging.bfloat16)
    measured, step = 0.0, 0
    while not decoder_rate.over:
        _set_rate(decoder_optimiser, decoder_rate.rate(step))
        _set_rate(judge_optimiser, judge_rate.rate(step))
        frames = recipe.excerpt_frames + 2 * margin
        audio = torch.from_numpy(train.random_excerpts(recipe.batch, frames, rng))
        rebuilt, commitment = _rebuilt(model, learner, audio, products)
        real = audio[:, margin:-margin]
        fake = rebuilt[:, 0].float()[:, margin:-margin]
        judge_loss = _judge(judges, real, fake.detach(), judging)
        judge_optimiser.zero_grad(set_to_none=True)
        judge_loss.backward()
        nn.utils.clip_grad_norm_(judges.parameters(), 5.0)
        judge_optimiser.step()
        logarithmic, linear = distance(real, fake)
        pitch = pitch_distance(real, fake)
        attack, strength = attack_distance(real, fake)
        loss = logarithmic + pitch + _ATTACK_WEIGHT * attack + _STRENGTH_WEIGHT * strength
        loss = loss + 8 * linear + 4 * (real - fake).abs().mean() + 0.25 * commitment
        if step >= _DISCRIMINATOR_LEAD_STEPS:
            deception, matching = _deceive(judges, real, fake, judging)
            loss = loss + 0.2 * deception + matching
        decoder_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 2.0)
        decoder_optimiser.step()
        step += 1
        if step % 100 == 0:
            journal.write(
                "adversarial",
                step=step,
                log_mel=round(logarithmic.item(), 3),
                pitch=round(pitch.item(), 3),
                attack=round(attack.item(), 3),
                attack_strength=round(strength.item(), 3),
                judge_loss=round(judge_loss.item(), 3),
            )
        if decoder_rate.elapsed_seconds - measured > _MEASURE_EVERY_SECONDS:
            measured = decoder_rate.elapsed_seconds
            _keep(model, learner)
            journal.write("adversarial measured", step=step, **measure_codec(model, held_out))
    _keep(model, learner)
    journal.write("adversarial done", step=step, **measure_codec(model, held_out))
    return model.eval()


def _rebuilt(
    model: EncodecModel, learner: CodebookLearner | None, audio: Tensor, products: Products
) -> tuple[Tensor, Tensor]:
    """What the codec makes of audio [B, N], [B, 1, N], and the commitment loss."""
    if learner is None:
        with torch.no_grad(), products():
            codes = model.quantise(model.latents(audio[:, None]).float())
        quantised, commitment = model.embed(codes), torch.zeros(())
    else:
        with products():
            latents = model.latents(audio[:, None])
        quantised, commitment = learner(latents.float())
    with products():
        return model.synthesise(quantised), commitment


def _keep(model: EncodecModel, learner: CodebookLearner | None) -> None:
    if learner is not None:
        model.codebooks.copy_(learner.codebooks)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _judge(judges: nn.ModuleList, real: Tensor, fake: Tensor, products: Products) -> Tensor:
    loss = torch.zeros(())
    with products():
        for judge in judges:
            loss = loss + F.relu(1 - judge(real)[0]).mean() + F.relu(1 + judge(fake)[0]).mean()
    return loss / len(judges)


def _deceive(
    judges: nn.ModuleList, real: Tensor, fake: Tensor, products: Products
) -> tuple[Tensor, Tensor]:
    judges.requires_grad_(False)
    deception, matching, layers = torch.zeros(()), torch.zeros(()), 0
    with products():
        for judge in judges:
            with torch.no_grad():
                _, wanted = judge(real)
            judgement, features = judge(fake)
            deception = deception - judgement.mean()
            for a, b in zip(wanted, features, strict=True):
                scale = a.float().abs().mean() + 1e-4
                matching = matching + (a - b).float().abs().mean() / scale
                layers += 1
    judges.requires_grad_(True)
    return deception / len(judges), matching / layers
