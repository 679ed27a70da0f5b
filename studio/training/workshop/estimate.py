"""How long a run will take, found out on this machine.

Owns the measurements behind a plan: a segment encoded, a few steps trained, a few frames
sampled. It keeps nothing of what it made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from studio.models.codec_config import EncodecConfig
from studio.models.torch_backend.codec import EncodecModel
from studio.training.workshop.company import Company
from studio.training.workshop.network import Network, parameters_of, sample_codes
from studio.training.workshop.pace import Pace, measure_pace
from studio.training.workshop.plan import TrainingPlan
from studio.training.workshop.previews import SAMPLING
from studio.training.workshop.scan import Survey
from studio.training.workshop.segments import LEAD_FRAMES, TRAIL_FRAMES
from studio.training.workshop.settings import TrainingSettings
from studio.training.workshop.words import Caption

_SAMPLED_FRAMES = 8
_TEXT_LENGTH = 12
_HELD_OUT_SEGMENTS = 128
_SHARE_OF_A_STEP = 1 / 3
_ENOUGH_SEGMENTS = 1000
_MOST_VARIANTS = 8


def estimated(
    settings: TrainingSettings,
    heard: Survey,
    captions: tuple[Caption, ...],
    codec: EncodecModel,
    company: Company,
    *,
    words: int,
    codec_fingerprint: str,
    known: Mapping[str, Any] | None,
    resumes_at: int,
    build: Callable[[EncodecConfig, int, int], Network],
) -> TrainingPlan:
    """The plan of a run.

    Args:
        settings: See there.
        heard: The folder.
        captions: Of its sounds.
        codec: On the company's device.
        company: Those who train together.
        words: Tokens of the tokenizer, 0 without words.
        codec_fingerprint: Of `codec`.
        known: What an earlier part of this run has decided; None for a new one.
        resumes_at: Its last step.
        build: Makes the network for a codec, frames of a segment and tokens.

    Raises:
        TrainingError: The model does not fit into memory.
    """
    config = codec.config
    frames = max(config.codebooks + 1, round(settings.context_seconds * config.frame_rate))
    network = build(config, frames, words)
    pace = measure_pace(
        network,
        settings,
        frames=frames,
        text_length=_TEXT_LENGTH if words else 0,
        rows=-(-settings.batch // company.size),
        device=company.device,
        wanted=None if known is None else known["bfloat16"],
    )
    if known is not None:
        # With other threads, sums would be rounded otherwise.
        threads = settings.threads or known["threads"]
        pace = replace(pace, rows=known["rows"], threads=threads)
        torch.set_num_threads(threads)
    segments = _segments(heard, frames / config.frame_rate)
    a_step = pace.seconds_a_step + _beside_a_step(network, settings, segments, frames, pace)
    steps = settings.steps or max(1, int(settings.minutes * 60 / a_step))
    if known is not None:
        steps = known["total_steps"]
    variants = settings.variants or _variants_for(segments)
    to_encode = segments * variants
    parameters = parameters_of(network)
    codec_numbers = sum(value.numel() for value in codec.state_dict().values())
    return TrainingPlan(
        survey=heard,
        captions=captions,
        conditioners="text" if words else "none",
        words=words,
        codec_fingerprint=codec_fingerprint,
        size=settings.size,
        parameters=parameters,
        megabytes=2 * (parameters + codec_numbers) / 1e6,
        frames=frames,
        frame_rate=config.frame_rate,
        segments=segments,
        variants=variants,
        batch=settings.batch,
        rows=pace.rows,
        total_steps=steps,
        bfloat16=pace.bfloat16,
        threads=pace.threads,
        device=str(company.device),
        resumes_at=resumes_at,
        seconds_a_step=pace.seconds_a_step,
        tokenising_seconds=0.0 if resumes_at else to_encode * _seconds_to_encode(codec, frames),
        training_seconds=(steps - resumes_at) * a_step,
        tuning_seconds=60 * settings.tune_codec_minutes,
    )


def _segments(heard: Survey, context_seconds: float) -> int:
    return sum(
        max(1, round(sound.facts.duration_seconds / context_seconds)) for sound in heard.sounds
    )


def _variants_for(segments: int) -> int:
    """More of few segments, until there are a thousand."""
    return max(1, min(_MOST_VARIANTS, -(-_ENOUGH_SEGMENTS // segments)))


def _beside_a_step(
    network: Network, settings: TrainingSettings, segments: int, frames: int, pace: Pace
) -> float:
    """What measurements and previews take, shared out over all steps."""
    held_out = min(_HELD_OUT_SEGMENTS, settings.held_out_share * segments)
    measuring = held_out / settings.batch * pace.seconds_a_step * _SHARE_OF_A_STEP
    seconds = measuring / settings.measure_every
    if settings.preview_every:
        began = time.perf_counter()
        sample_codes(network, None, frames=_SAMPLED_FRAMES, seed=0, sampling=SAMPLING)
        per_frame = (time.perf_counter() - began) / _SAMPLED_FRAMES
        seconds += per_frame * frames / settings.preview_every
    return seconds


@torch.inference_mode()
def _seconds_to_encode(codec: EncodecModel, frames: int) -> float:
    length = (frames + LEAD_FRAMES + TRAIL_FRAMES) * codec.config.hop
    audio = torch.zeros((1, 1, length), device=codec.codebooks.device)
    codec.encode(audio)
    began = time.perf_counter()
    codec.encode(audio)
    return max(1e-6, time.perf_counter() - began)
