"""What has to be rendered for a request: texts, windows, speed, length.

Owns the arithmetic between bars, tempo, codec frames and sample frames. It runs no model.

Letters: a *codec frame* is one column of K codes (50 a second); a *sample frame* is one sample of
each channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from studio.core.errors import InputError, ModelError
from studio.editing.loops import loop_frames
from studio.editing.stretch import SPEEDS
from studio.generation.material import pitch_classes_of
from studio.generation.request import GenerationRequest
from studio.generation.windows import Window, slide
from studio.models.backend import Condition, ModelInfo, Sampling
from studio.models.bundle import codes_fingerprint
from studio.models.prompting import PromptTemplate

DEFAULT_BARS = 2
DEFAULT_DURATION_SECONDS = 8.0
DEFAULT_TEMPO_BPM = 120.0
TAIL_SECONDS = 0.24
SEAM_FADE_SECONDS = 0.010


@dataclass(frozen=True, kw_only=True)
class RenderPlan:
    """Everything the engine needs to know before the first step.

    Attributes:
        request: The request with every default filled in: a full recipe.
        text: What the model reads for the prompt.
        negative: What it reads for the negative prompt.
        sampling: How codes are drawn.
        windows: Decoder runs in order; they make the frames from `new_from` to `new_to`.
        codec_frames: Codec frames to render, the tail after a loop's end included.
        new_from: Codec frame at which the new part begins; those before come from the source.
        new_to: Where it ends; those after come from the source.
        speed: Playing speed of the rendered sound; above 1 shortens it.
        sample_frames: Exact length of the take.
        seam_frames: Length of the loop's crossfade in sample frames; 0 when it is no loop.
        tempo_bpm: Tempo of the result, None when there is none.
        key: Key of the result, None when unknown.
    """

    request: GenerationRequest
    text: str
    negative: str
    sampling: Sampling
    windows: tuple[Window, ...]
    codec_frames: int
    new_from: int
    new_to: int
    speed: float
    sample_frames: int
    seam_frames: int
    tempo_bpm: float | None
    key: str | None

    @property
    def condition(self) -> Condition:
        """What the model is conditioned on in the first window."""
        melody = self.request.melody
        return Condition(
            text=self.text,
            negative=self.negative,
            melody=None if melody is None else pitch_classes_of(melody),
        )


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """How a request lies on a model's grid of codec frames.

    Attributes:
        text: What the model reads for the prompt.
        negative: What it reads for the negative prompt.
        tempo_bpm: Tempo of the result, None when there is none.
        speed: Playing speed of the rendered sound.
        key: Key of the result, None when unknown.
        window_frames: The most codec frames of a window.
        bar_frames: Codec frames in a bar, None for a model that knows no bars.
        period_frames: Codec frames after which the material repeats.
    """

    text: str
    negative: str
    tempo_bpm: float | None
    speed: float
    key: str | None
    window_frames: int
    bar_frames: int | None = None
    period_frames: int | None = None


def plan_render(
    request: GenerationRequest,
    info: ModelInfo,
    template: PromptTemplate | None,
    *,
    codes_only: bool = False,
) -> RenderPlan:
    """Turn a request into decoder windows and exact lengths.

    Args:
        request: Checked or not; its files have been read (`material`).
        info: The model.
        template: Its text template, None for plain text.
        codes_only: No sound will be made of the codes: `max_steps` counts them, instead of the
            sound that is left when they are played at another tempo.

    Raises:
        InputError: The request is impossible.
        ModelError: The model cannot do it.
    """
    request = request.checked()
    _check_ability(request, info)
    grid = _grid(request, info, template)
    request = _with_length(request, grid.tempo_bpm)
    hop = codec_hop(info)
    seam_frames = tail = 0
    if request.bars is not None:
        if grid.tempo_bpm is None:
            raise InputError(
                "Bars need a tempo: give one from 60 to 200 bpm, or name it in the prompt."
            )
        sample_frames = loop_frames(grid.tempo_bpm, request.bars, info.sample_rate)
        seam_frames = round(SEAM_FADE_SECONDS * info.sample_rate)
        tail = math.ceil(TAIL_SECONDS * info.frame_rate)
    elif request.max_steps is not None:
        sample_frames = request.max_steps * hop
    else:
        assert request.duration_seconds is not None  # _with_length chose one
        sample_frames = max(1, round(request.duration_seconds * info.sample_rate))
    codec_frames = _frames_for(sample_frames, grid.speed, hop) + tail
    if codes_only and request.max_steps is not None:
        codec_frames = request.max_steps

    sampling = _sampling(request, info.sampling)
    new_from, new_to = _new_part(request, info, codec_frames, grid.speed)
    return RenderPlan(
        request=replace(
            request,
            tempo_bpm=grid.tempo_bpm,
            key=grid.key,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            temperature=sampling.temperature,
            guidance=sampling.guidance,
            precision=info.precision,
        ),
        text=grid.text,
        negative=grid.negative,
        sampling=sampling,
        windows=slide(
            new_to,
            grid.window_frames,
            known=new_from,
            bar_frames=grid.bar_frames,
            period_frames=grid.period_frames,
        ),
        codec_frames=codec_frames,
        new_from=new_from,
        new_to=new_to,
        speed=grid.speed,
        sample_frames=sample_frames,
        seam_frames=seam_frames,
        tempo_bpm=grid.tempo_bpm,
        key=grid.key,
    )


def playing_speed(
    request: GenerationRequest, info: ModelInfo, template: PromptTemplate | None
) -> float:
    """How fast the rendered sound of a request will be played; above 1 shortens it.

    Raises:
        InputError: The request is impossible.
    """
    return _grid(request.checked(), info, template).speed


def _grid(request: GenerationRequest, info: ModelInfo, template: PromptTemplate | None) -> _Grid:
    tempo_bpm = request.named_tempo_bpm()
    if template is None:
        return _Grid(
            text=request.prompt,
            negative=request.negative,
            tempo_bpm=tempo_bpm,
            speed=1.0,
            key=request.key,
            window_frames=info.window_frames,
        )
    if tempo_bpm is None:
        tempo_bpm = template.usual_tempo_bpm(request.prompt) or DEFAULT_TEMPO_BPM
    plan = template.plan(
        prompt=request.prompt,
        tempo_bpm=tempo_bpm,
        bars=request.bars or DEFAULT_BARS,
        key=request.key,
    )
    speed = tempo_bpm / plan.grid_tempo_bpm
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        raise InputError(
            f"This model keeps time near {plan.grid_tempo_bpm:g} bpm, too far from "
            f"{tempo_bpm:g}; ask for another tempo, or take another model."
        )
    return _Grid(
        text=plan.text,
        negative=template.negative_text(request.negative, plan),
        tempo_bpm=tempo_bpm,
        speed=speed,
        key=plan.key,
        window_frames=min(info.window_frames, template.context_frames),
        bar_frames=plan.bar_frames,
        period_frames=plan.bar_frames * plan.period_bars,
    )


def _check_ability(request: GenerationRequest, info: ModelInfo) -> None:
    if not info.has_text and (request.prompt or request.negative):
        raise ModelError(
            f"The model {info.name} makes sound without words; leave the prompt empty."
        )
    if request.melody is not None and not info.has_melody:
        raise ModelError(
            f"The model {info.name} follows no melody; take facebook/musicgen-melody, or leave "
            "the melody out."
        )


def _new_part(
    request: GenerationRequest, info: ModelInfo, codec_frames: int, speed: float
) -> tuple[int, int]:
    """The codec frames between which codes are made."""
    if request.source is None:
        return 0, codec_frames
    source = request.source
    if source.codebooks != info.codebooks or int(source.array.max()) >= info.codebook_size:
        raise InputError(
            f"The codes to keep are not those of {info.name}: it has {info.codebooks} codebooks "
            f"of {info.codebook_size}; take the model that made them."
        )
    known = request.source_hash
    if known is not None and codes_fingerprint(known) != codes_fingerprint(info.fingerprint):
        raise InputError(
            f"The model {info.name} has changed since it made the codes to keep, so they mean "
            "nothing any more; make the take again."
        )
    per_second = speed * info.frame_rate
    begin, end = source.frames, codec_frames
    if request.from_seconds is not None:
        begin = round(request.from_seconds * per_second)
    if begin > source.frames:
        raise InputError(
            f"The codes to keep last {source.frames / per_second:.2f} s; the new part cannot "
            f"begin at {request.from_seconds:g} s."
        )
    if request.to_seconds is not None:
        end = min(codec_frames, round(request.to_seconds * per_second))
        if source.frames < codec_frames:
            raise InputError(
                f"The take is longer than the {source.frames / per_second:.2f} s of codes to "
                "keep; leave the end of the new part open."
            )
    if end <= begin:
        raise InputError(
            f"Nothing would be new: {begin / per_second:.2f} s of {codec_frames / per_second:.2f} "
            "s are kept; ask for a longer take, or keep less."
        )
    return begin, end


def _sampling(request: GenerationRequest, default: Sampling) -> Sampling:
    chosen: dict[str, Any] = {
        "top_k": request.top_k,
        "top_p": request.top_p,
        "temperature": request.temperature,
        "guidance": request.guidance,
    }
    if request.top_k is not None and request.top_p is None:
        # The model's own nucleus would override the top-k that was asked for.
        chosen["top_p"] = 0.0
    return replace(default, **{name: value for name, value in chosen.items() if value is not None})


def _with_length(request: GenerationRequest, tempo_bpm: float | None) -> GenerationRequest:
    if (request.bars, request.duration_seconds, request.max_steps) != (None, None, None):
        return request
    if tempo_bpm is not None:
        return replace(request, bars=DEFAULT_BARS)
    return replace(request, duration_seconds=DEFAULT_DURATION_SECONDS)


def codec_hop(info: ModelInfo) -> int:
    """Sample frames of one codec frame."""
    hop = info.sample_rate / info.frame_rate
    if hop != int(hop):
        raise ModelError(
            f"{info.name} has {info.frame_rate:g} codec frames a second, which do not divide its "
            f"sample rate of {info.sample_rate} Hz; use another model."
        )
    return int(hop)


def _frames_for(sample_frames: int, speed: float, hop: int) -> int:
    """Codec frames whose sound, played at `speed`, has at least `sample_frames`."""
    frames = max(1, math.ceil(sample_frames * speed / hop - 1e-9))
    while round(frames * hop / speed) < sample_frames:
        frames += 1
    return frames
