"""Fitting a copy of the codec to the folder.

Owns which sounds it is fitted to, the judgement whether it got better, and the file of the
result. The training itself is `training.codec`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.audio.files import stream_audio
from studio.audio.resample import StreamResampler
from studio.core.errors import AudioFileError, TrainingError
from studio.models.torch_backend.codec import EncodecModel
from studio.training.bank import LoopBank
from studio.training.codec import ReconstructionRecipe, measure_codec, train_reconstruction
from studio.training.journal import Journal
from studio.training.workshop.checkpoint import load_state, save_state
from studio.training.workshop.codec_source import fingerprint
from studio.training.workshop.events import CodecTuned, Listener, Notice
from studio.training.workshop.scan import Survey

TUNED = "codec.pt"
_MOST_SECONDS = 1800
_MOST_SECONDS_OF_ONE = 60
_HELD_OUT_EVERY = 10
_RATE = 4e-4
_FULL_SCALE = 32_767


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundBank(LoopBank):
    """Sounds that nobody has labelled, for the codec's trainer."""

    def __len__(self) -> int:
        return len(self.offsets) - 1


def tuned_codec(
    codec: EncodecModel, survey: Survey, work: Path, *, minutes: float, seed: int, tell: Listener
) -> EncodecModel:
    """A codec fitted to the folder, or the given one where that did not help.

    Args:
        codec: Where to start; it may be changed.
        survey: Sounds to fit it to: half an hour of them at most, a tenth held out.
        work: Where the result is kept; a second call finds it there.
        minutes: How long.
        seed: Decides which sounds.
        tell: Told what came of it.

    Raises:
        StorageError: The result cannot be written.
    """
    key = f"{fingerprint(codec)} {minutes:g} {seed}"
    stored = load_state(work / TUNED)
    if stored is not None and stored.get("key") == key:
        codec.load_state_dict(stored["codec"])
        return codec.eval()
    plain = {name: value.clone() for name, value in codec.state_dict().items()}
    train, held_out = _banks(survey, codec.config.sampling_rate, seed)
    before = measure_codec(codec, held_out)
    recipe = ReconstructionRecipe(minutes=minutes, learning_rate=_RATE)
    try:
        journal = Journal(work / "codec.jsonl")
        codec = train_reconstruction(train, held_out, recipe, journal, start=codec)
        after = measure_codec(codec, held_out)
        tell(CodecTuned(before=before, after=after))
        better = _log_mel(after) < _log_mel(before)
    except TrainingError:
        better = False
    if not better:
        tell(Notice(text="The codec did not get better by tuning and is used as it was."))
        codec.load_state_dict(plain)
    save_state(work / TUNED, {"key": key, "codec": codec.state_dict()})
    return codec.eval()


def _log_mel(measures: dict[str, object]) -> float:
    value = measures["log_mel"]
    assert isinstance(value, float)
    return value


def _banks(survey: Survey, sample_rate: int, seed: int) -> tuple[SoundBank, SoundBank]:
    rng = np.random.default_rng((seed, 5))
    order = rng.permutation(len(survey.sounds))
    parts: tuple[list[NDArray[np.int16]], list[NDArray[np.int16]]] = ([], [])
    seconds = 0.0
    for place, index in enumerate(order):
        if seconds >= _MOST_SECONDS:
            break
        try:
            samples = _beginning(survey.folder / survey.sounds[index].path, sample_rate)
        except AudioFileError:
            continue  # tokenising lists what can no longer be read
        if len(samples):
            held = place % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1
            parts[held].append(samples)
            seconds += len(samples) / sample_rate
    if not parts[1] and parts[0]:
        whole = parts[0].pop()
        parts[0].append(whole[: len(whole) // 2])
        parts[1].append(whole[len(whole) // 2 :])
    if not parts[0]:
        raise TrainingError("No sound of the folder can be read any more: check the disk.")
    return _bank(parts[0]), _bank(parts[1])


def _bank(parts: list[NDArray[np.int16]]) -> SoundBank:
    offsets = np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)
    return SoundBank(samples=np.concatenate(parts), offsets=offsets, labels=())


def _beginning(path: Path, sample_rate: int) -> NDArray[np.int16]:
    """The first minute of a sound."""
    heard: list[NDArray[np.float32]] = []
    wanted = _MOST_SECONDS_OF_ONE * sample_rate
    with stream_audio(path) as stream:
        resampler = StreamResampler(stream.info.sample_rate, sample_rate)
        for block in stream.blocks:
            heard.append(resampler.push(block.mean(axis=0, dtype=np.float32)))
            if sum(map(len, heard)) >= wanted:
                break
        heard.append(resampler.push(np.zeros(0, dtype=np.float32), last=True))
    samples = np.clip(np.concatenate(heard)[:wanted], -1, 1)
    return np.round(samples * _FULL_SCALE).astype(np.int16)
