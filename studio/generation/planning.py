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
from studio.generation.request import GenerationRequest
from studio.models.backend import ModelInfo, Sampling
from studio.models.prompting import PromptTemplate

DEFAULT_BARS = 2
DEFAULT_DURATION_SECONDS = 8.0
DEFAULT_TEMPO_BPM = 120.0
GENRE_TEMPO_BPM = {
    "jungle": 168.0,
    "dnb": 174.0,
    "techno": 132.0,
    "house": 124.0,
    "hiphop": 90.0,
    "dub": 72.0,
    "electro": 128.0,
    "ambient": 80.0,
}
TAIL_SECONDS = 0.24
SEAM_FADE_SECONDS = 0.010
# MusicGen's published long form moves a 30 s window on by 18 s.
_SLIDE = 18 / 30


@dataclass(frozen=True, kw_only=True)
class Window:
    """One run of the decoder.

    Attributes:
        first_frame: Codec frame of the take at which the window begins.
        prefix_frames: Frames of the take, from `first_frame`, that are given to it.
        new_frames: Frames it makes.
    """

    first_frame: int
    prefix_frames: int
    new_frames: int


@dataclass(frozen=True, kw_only=True)
class RenderPlan:
    """Everything the engine needs to know before the first step.

    Attributes:
        request: The request with every default filled in: a full recipe.
        text: What the model is conditioned on, in every window.
        sampling: How codes are drawn.
        windows: Decoder runs in order; their new frames add up to `codec_frames`.
        codec_frames: Codec frames to render, the tail after a loop's end included.
        speed: Playing speed of the rendered sound; above 1 shortens it.
        sample_frames: Exact length of the take.
        seam_frames: Length of the loop's crossfade in sample frames; 0 when it is no loop.
        tempo_bpm: Tempo of the result, None when there is none.
        key: Key of the result, None when unknown.
    """

    request: GenerationRequest
    text: str
    sampling: Sampling
    windows: tuple[Window, ...]
    codec_frames: int
    speed: float
    sample_frames: int
    seam_frames: int
    tempo_bpm: float | None
    key: str | None


def plan_render(
    request: GenerationRequest,
    info: ModelInfo,
    template: PromptTemplate | None,
    *,
    codes_only: bool = False,
) -> RenderPlan:
    """Turn a request into decoder windows and exact lengths.

    Args:
        request: Checked or not.
        info: The model.
        template: Its text template, None for plain text.
        codes_only: No sound will be made of the codes: `max_steps` counts them, instead of the
            sound that is left when they are played at another tempo.

    Raises:
        InputError: The request is impossible.
    """
    request = request.checked()
    tempo_bpm = request.named_tempo_bpm()
    sampling = _sampling(request, info.sampling)
    speed = 1.0
    bar_frames = period_frames = None
    key = request.key
    text = request.prompt
    window_frames = info.window_frames
    if template is not None:
        if tempo_bpm is None:
            tempo_bpm = usual_tempo_bpm(request.prompt, template)
        prompt_plan = template.plan(
            prompt=request.prompt,
            tempo_bpm=tempo_bpm,
            bars=request.bars or DEFAULT_BARS,
            key=request.key,
        )
        speed = tempo_bpm / prompt_plan.grid_tempo_bpm
        if not SPEEDS[0] <= speed <= SPEEDS[1]:
            raise InputError(
                f"This model keeps time near {prompt_plan.grid_tempo_bpm:g} bpm, too far from "
                f"{tempo_bpm:g}; ask for another tempo, or take another model."
            )
        bar_frames = prompt_plan.bar_frames
        period_frames = bar_frames * prompt_plan.period_bars
        key = prompt_plan.key
        text = prompt_plan.text
        window_frames = min(window_frames, template.context_frames)
    request = _with_length(request, tempo_bpm)

    hop = _hop(info)
    seam_frames = 0
    tail = 0
    if request.bars is not None:
        if tempo_bpm is None:
            raise InputError(
                "Bars need a tempo: give one from 60 to 200 bpm, or name it in the prompt."
            )
        sample_frames = loop_frames(tempo_bpm, request.bars, info.sample_rate)
        seam_frames = round(SEAM_FADE_SECONDS * info.sample_rate)
        tail = math.ceil(TAIL_SECONDS * info.frame_rate)
    elif request.max_steps is not None:
        sample_frames = request.max_steps * hop
    else:
        assert request.duration_seconds is not None  # _with_length chose one
        sample_frames = max(1, round(request.duration_seconds * info.sample_rate))
    codec_frames = _frames_for(sample_frames, speed, hop) + tail
    if codes_only and request.max_steps is not None:
        codec_frames = request.max_steps

    windows = tuple(
        Window(first_frame=first, prefix_frames=prefix, new_frames=new)
        for first, prefix, new in slide(
            codec_frames, window_frames, bar_frames=bar_frames, period_frames=period_frames
        )
    )
    return RenderPlan(
        request=replace(
            request,
            tempo_bpm=tempo_bpm,
            key=key,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            temperature=sampling.temperature,
            guidance=sampling.guidance,
        ),
        text=text,
        sampling=sampling,
        windows=windows,
        codec_frames=codec_frames,
        speed=speed,
        sample_frames=sample_frames,
        seam_frames=seam_frames,
        tempo_bpm=tempo_bpm,
        key=key,
    )


def slide(
    codec_frames: int,
    window_frames: int,
    *,
    bar_frames: int | None = None,
    period_frames: int | None = None,
) -> list[tuple[int, int, int]]:
    """Cover a length with windows as (first frame, prefix frames, new frames).

    A model that knows bars moves on by whole bars, by half a window at most, and keeps a whole
    period in sight where its window is long enough for that; others move on by 18/30 of the
    window, as MusicGen does.

    Raises:
        ModelError: The model's window is too short to move in.
    """
    step = max(1, int(window_frames * _SLIDE))
    if bar_frames is not None:
        room = min(window_frames - (period_frames or bar_frames), window_frames // 2)
        step = bar_frames * max(1, room // bar_frames)
    if codec_frames > window_frames and step >= window_frames:
        raise ModelError(
            f"This model's window of {window_frames} frames is too short for the length; "
            "ask for less, or take another model."
        )
    windows = [(0, 0, min(codec_frames, window_frames))]
    made = windows[0][2]
    first = 0
    while made < codec_frames:
        first += step
        new = min(first + window_frames, codec_frames) - made
        windows.append((first, made - first, new))
        made += new
    return windows


def usual_tempo_bpm(prompt: str, template: PromptTemplate) -> float:
    """The tempo of the first genre in a prompt that names none."""
    words, _ = template.match_words(prompt)
    usual = (GENRE_TEMPO_BPM[word] for word in words if word in GENRE_TEMPO_BPM)
    return next(usual, DEFAULT_TEMPO_BPM)


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


def _hop(info: ModelInfo) -> int:
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
