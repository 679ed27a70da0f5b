from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.models.chroma import CHROMA_RATE, SAMPLE_RATE, chroma, pitch_classes

Sound = NDArray[np.float32]

WINDOW, HOP = 16_384, 4_096
C, E, A = 0, 4, 9


@pytest.fixture(scope="module")
def filters() -> torch.Tensor:
    from transformers.audio_utils import chroma_filter_bank

    bank = chroma_filter_bank(
        sampling_rate=32_000, num_frequency_bins=WINDOW, tuning=0, num_chroma=12
    )
    return torch.from_numpy(bank).float()


def _oracle(samples: Sound, filters: torch.Tensor) -> torch.Tensor:
    """The feature extractor of transformers' melody models, its spectrogram by `torch.stft`."""
    sound = torch.from_numpy(samples)
    missing = max(0, WINDOW - len(sound))
    sound = torch.nn.functional.pad(sound, (missing // 2, missing // 2 + missing % 2))
    window = torch.hann_window(WINDOW)
    spectrum = torch.stft(
        sound, WINDOW, HOP, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    power = (spectrum / window.pow(2).sum().sqrt()).abs().pow(2)
    energies = torch.einsum("cf,ft->tc", filters, power)
    return torch.nn.functional.normalize(energies, p=float("inf"), dim=-1, eps=1e-6)


def _assert_as_in_the_oracle(samples: Sound, filters: torch.Tensor) -> None:
    expected = _oracle(samples, filters)
    values = chroma(samples)
    assert values.shape == expected.shape
    np.testing.assert_allclose(values, expected.numpy(), atol=2e-5, rtol=0.0)
    found = pitch_classes(samples)
    assert found.dtype == np.int8
    strongest = expected.argmax(dim=1).numpy()
    for frame in np.flatnonzero(found != strongest):
        # Only where two classes sound equally strong may rounding choose another.
        assert abs(expected[frame, found[frame]] - expected[frame, strongest[frame]]) < 1e-5
    assert (found == strongest).mean() > 0.95


def _tone(frequency: float, seconds: float, harmonics: int = 1) -> Sound:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    partials = [np.sin(2 * np.pi * frequency * n * times) / n for n in range(1, harmonics + 1)]
    return (0.3 * np.sum(partials, axis=0)).astype(np.float32)


def _noise(samples: int, seed: int = 0) -> Sound:
    return np.random.default_rng(seed).normal(0.0, 0.2, samples).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    midi=st.lists(st.floats(24.0, 108.0), min_size=1, max_size=4),
    seconds=st.floats(0.1, 3.0),
    harmonics=st.integers(1, 6),
    noise=st.sampled_from([0.0, 0.01, 1.0]),
    seed=st.integers(0, 2**16),
)
def test_tones_and_chords_are_heard_as_by_transformers(
    filters: torch.Tensor,
    midi: list[float],
    seconds: float,
    harmonics: int,
    noise: float,
    seed: int,
) -> None:
    chord = [_tone(440.0 * 2 ** ((pitch - 69) / 12), seconds, harmonics) for pitch in midi]
    sound = np.sum(chord, axis=0, dtype=np.float32)
    _assert_as_in_the_oracle(sound + noise * _noise(len(sound), seed), filters)


@pytest.mark.parametrize(
    "samples", [1, 2, 4_095, 8_193, 16_383, 16_384, 16_385, 20_480, 131_071, 960_000]
)
def test_noise_of_any_length_is_heard_as_by_transformers(
    filters: torch.Tensor, samples: int
) -> None:
    noise = _noise(samples, seed=samples)
    _assert_as_in_the_oracle(noise, filters)
    assert len(pitch_classes(noise)) == max(samples, WINDOW) // HOP + 1


@pytest.mark.parametrize("pitch_class", range(12))
@pytest.mark.parametrize("octave", [2, 4, 6])
def test_a_note_is_its_pitch_class(pitch_class: int, octave: int) -> None:
    frequency = 440.0 * 2 ** (octave - 4 + (pitch_class - 9) / 12)
    assert set(pitch_classes(_tone(frequency, 1.0, harmonics=3))) == {pitch_class}


def test_an_arpeggio_of_a_minor_gives_its_notes_when_they_sound() -> None:
    notes = [(220.0, A), (261.63, C), (329.63, E), (440.0, A)]
    played = np.concatenate([_tone(frequency, 1.0, harmonics=4) for frequency, _ in notes])
    heard = pitch_classes(played)
    for second, (_, pitch_class) in enumerate(notes):
        # Half a window to either side of a change, both notes sound.
        middle = heard[round((second + 0.26) * CHROMA_RATE) : int((second + 0.74) * CHROMA_RATE)]
        assert len(middle) >= 3
        assert set(middle) == {pitch_class}
    changes = [0, *(np.flatnonzero(np.diff(heard)) + 1)]
    assert [int(heard[frame]) for frame in changes] == [A, C, E, A]
    for frame, second in zip(changes[1:], (1, 2, 3), strict=True):
        assert abs(frame / CHROMA_RATE - second) <= 1.0 / CHROMA_RATE


def test_a_frame_is_heard_at_its_time() -> None:
    sound = np.zeros(4 * SAMPLE_RATE, dtype=np.float32)
    sound[2 * SAMPLE_RATE : 3 * SAMPLE_RATE] = _tone(329.63, 1.0)
    loud = np.flatnonzero(chroma(sound).max(axis=1))
    assert loud[0] / CHROMA_RATE == pytest.approx(2.0 - WINDOW / 2 / SAMPLE_RATE, abs=0.13)
    assert loud[-1] / CHROMA_RATE == pytest.approx(3.0 + WINDOW / 2 / SAMPLE_RATE, abs=0.13)


@pytest.mark.parametrize("samples", [1, 5_000, 50_000])
def test_silence_is_always_the_first_pitch_class(samples: int) -> None:
    silence = np.zeros(samples, dtype=np.float32)
    assert set(pitch_classes(silence)) == {0}
    assert not chroma(silence).any()
    assert set(pitch_classes(-silence)) == {0}


@pytest.mark.parametrize("gain", [1e-6, 1e30])
def test_the_level_plays_no_part(gain: float) -> None:
    sound = _tone(392.0, 1.0) + _noise(SAMPLE_RATE)
    scaled = (sound.astype(np.float64) * gain).astype(np.float32)
    np.testing.assert_array_equal(pitch_classes(scaled), pitch_classes(sound))


@pytest.mark.parametrize(
    ("samples", "cause"),
    [
        (np.zeros(0, np.float32), "no sound"),
        (np.zeros((2, 9), np.float32), "mono"),
        (np.full(50_000, np.nan, np.float32), "NaN"),
        (np.append(np.zeros(50_000, np.float32), np.float32(np.inf)), "infinity"),
    ],
)
def test_what_holds_no_melody_is_refused_in_one_line(samples: Sound, cause: str) -> None:
    with pytest.raises(InputError, match=cause) as caught:
        pitch_classes(samples)
    assert "\n" not in caught.value.user_message


def test_ten_minutes_take_little_more_memory_than_their_samples() -> None:
    sound = np.zeros(600 * SAMPLE_RATE, dtype=np.float32)
    tracemalloc.start()
    pitch_classes(sound)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * sound.nbytes
