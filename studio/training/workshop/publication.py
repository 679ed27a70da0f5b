"""From a trained network to a bundle that plays.

Owns what the bundle recommends and what its card says. `training.publish` writes it.
"""

from __future__ import annotations

from typing import Any

from studio.core.version import __version__
from studio.models.model_card import ModelCard
from studio.models.torch_backend.codec import EncodecModel
from studio.training.publish import publish_bundle
from studio.training.workshop.network import Network, decoder_of
from studio.training.workshop.plan import TrainingPlan, spoken_duration
from studio.training.workshop.previews import SAMPLING, TEXT_SAMPLING
from studio.training.workshop.settings import TrainingSettings
from studio.training.workshop.trainer import Material, Trainer


def publish(
    network: Network,
    codec: EncodecModel,
    material: Material,
    settings: TrainingSettings,
    plan: TrainingPlan,
    trainer: Trainer,
) -> float:
    """Write the bundle to `settings.out`; its size in megabytes.

    Raises:
        StorageError: It cannot be written; what is there is untouched.
    """
    sampling = SAMPLING if material.tokenizer is None else TEXT_SAMPLING
    publish_bundle(
        settings.out,
        codec=codec.cpu(),
        model=network.cpu().eval(),
        generation={
            "do_sample": True,
            "guidance_scale": sampling.guidance,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "max_length": plan.frames,
        },
        tokenizer=material.tokenizer,
        card=_card(network, material, settings, plan, trainer),
    )
    return sum(file.stat().st_size for file in settings.out.iterdir()) / 1e6


def _card(
    network: Network,
    material: Material,
    settings: TrainingSettings,
    plan: TrainingPlan,
    trainer: Trainer,
) -> ModelCard:
    shape = decoder_of(network).config
    listens = "It makes sound without words."
    if material.tokenizer is not None:
        listens = "It listens to the words that its sounds were called by."
    survey = plan.survey
    data: dict[str, object] = {
        "sounds": len(survey.sounds),
        "duration": spoken_duration(survey.seconds),
        "repeats left out": len(survey.repeats),
        "files skipped": len(survey.skipped),
        "variants of each": plan.variants,
        "segments learnt": len(material.train),
        "segments held out": len(material.held_out),
        "rights": "not stated: add here what allows this model to be shared",
    }
    recipe: dict[str, object] = {
        "program": f"Seedcrate {__version__}",
        "size": f"{plan.size}: width {shape.dim}, {shape.layers} layers, {shape.heads} heads",
        "parameters": plan.parameters,
        "codec": plan.codec_fingerprint[:16],
        "codec tuned": f"{settings.tune_codec_minutes:g} minutes",
        "context": f"{plan.frames} codec frames, {plan.frames / plan.frame_rate:.2f} s",
        "steps": f"{trainer.step} of {plan.total_steps}, {settings.batch} segments each",
        "learning rate": settings.peak_rate,
        "seed": settings.seed,
        "number format": "bfloat16" if plan.bfloat16 else "float32",
    }
    return ModelCard(
        about=f"A MusicGen of {plan.parameters / 1e6:.1f} million parameters, trained on one "
        f"folder of sounds. {listens}",
        data=data,
        recipe=recipe,
        measures=_measures(material, trainer),
    )


def _measures(material: Material, trainer: Trainer) -> dict[str, Any]:
    if not len(material.held_out):
        return {}
    return {
        "held-out loss, nats a code": round(trainer.best_nats, 4),
        "the same by the frequencies of codes alone": round(float(material.baseline.mean()), 4),
        "at step": trainer.best_step,
    }
