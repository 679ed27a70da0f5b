"""Behaviour that every backend shares, on the torch backend."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.models.backend import MusicBackend, Sampling
from tests.models.reference import CODEBOOKS, PROMPT, SHORT_PROMPT, VOCABULARY, under

SAMPLING = Sampling(top_k=12, guidance=2.0)


def _codes(backend: MusicBackend, *texts: str, **options: Any) -> NDArray[np.int64]:
    options = {
        "frames": 24,
        "seeds": list(range(7, 7 + len(texts))),
        "sampling": SAMPLING,
        **options,
    }
    return np.stack(list(backend.steps(under(*texts), **options)), axis=-1)


def test_facts_about_the_model(backend: MusicBackend) -> None:
    info = backend.info
    assert (info.sample_rate, info.channels, info.frame_rate) == (32_000, 1, 50.0)
    assert (info.codebooks, info.codebook_size) == (CODEBOOKS, VOCABULARY)
    assert info.window_frames == 1500
    assert info.sampling == Sampling()


def test_a_seed_decides_the_take(backend: MusicBackend) -> None:
    first = _codes(backend, PROMPT, seeds=[1])
    assert first.shape == (1, CODEBOOKS, 24)
    np.testing.assert_array_equal(_codes(backend, PROMPT, seeds=[1]), first)
    assert (_codes(backend, PROMPT, seeds=[2]) != first).any()


def test_a_longer_take_starts_with_the_same_codes(backend: MusicBackend) -> None:
    short, long = _codes(backend, PROMPT), _codes(backend, PROMPT, frames=60)
    np.testing.assert_array_equal(short, long[..., :24])


def test_a_take_is_the_same_alone_and_among_others(backend: MusicBackend) -> None:
    together = _codes(backend, PROMPT, "", SHORT_PROMPT, seeds=[4, 5, 6])
    for row, text in enumerate((PROMPT, "", SHORT_PROMPT)):
        alone = _codes(backend, text, seeds=[4 + row])
        np.testing.assert_array_equal(together[row : row + 1], alone)


def test_continuing_a_take_goes_on_as_if_it_had_never_stopped(backend: MusicBackend) -> None:
    whole = _codes(backend, PROMPT, frames=50)
    rest = _codes(backend, PROMPT, frames=20, prefix=whole[..., :30])
    np.testing.assert_array_equal(rest, whole[..., 30:])


def test_a_window_further_on_uses_the_noise_of_its_place(backend: MusicBackend) -> None:
    prefix = _codes(backend, PROMPT, frames=8)
    here = _codes(backend, PROMPT, prefix=prefix, first_step=100)
    assert (_codes(backend, PROMPT, prefix=prefix) != here).any()


def test_guidance_of_one_needs_no_second_stream(backend: MusicBackend) -> None:
    texts = [PROMPT]
    unguided = Sampling(top_k=1, guidance=1.0)
    codes = _codes(backend, *texts, sampling=unguided)
    from studio.models.patterns import delay

    grid = delay(codes, VOCABULARY)
    expected = backend.logits(grid, under(*texts)).argmax(-1)[:, 0, :24]
    np.testing.assert_array_equal(codes[:, 0], expected)


def test_a_blank_text_is_the_null_condition(backend: MusicBackend) -> None:
    strong = _codes(backend, "", sampling=Sampling(top_k=1, guidance=9.0))
    weak = _codes(backend, "", sampling=Sampling(top_k=1, guidance=1.0))
    np.testing.assert_array_equal(strong, weak)


def test_frames_come_one_by_one_and_can_be_left(backend: MusicBackend) -> None:
    steps = backend.steps(under(PROMPT), frames=1000, seeds=[7], sampling=SAMPLING)
    first = np.stack(list(islice(steps, 5)), axis=-1)
    settled = _codes(backend, PROMPT)[..., :5]
    np.testing.assert_array_equal(first, settled)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"frames": 0}, "0 frames"),
        ({"frames": 1501}, "1501 codec frames do not fit the model's window of 1500"),
        ({"seeds": [1, 2]}, "2 seeds"),
        ({"seeds": [-1]}, "seed"),
        ({"first_step": -1}, "frame -1"),
        ({"prefix": np.zeros((1, 3, 5), np.int64)}, r"\[1, 3, 5\]"),
        ({"prefix": np.full((1, CODEBOOKS, 5), VOCABULARY)}, "outside 0 to 31"),
        ({"prefix": np.zeros((1, CODEBOOKS, 5))}, "float64"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(
    backend: MusicBackend, options: dict[str, Any], cause: str
) -> None:
    arguments = {"frames": 5, "seeds": [1], "sampling": SAMPLING, **options}
    with pytest.raises(InputError, match=cause):
        backend.steps(under(PROMPT), **arguments)


def test_no_codes_decode_to_no_audio(backend: MusicBackend) -> None:
    empty = np.zeros((1, CODEBOOKS, 0), np.int64)
    assert backend.decode(empty).shape == (1, 1, 0)
    assert backend.decoder_stream().finish().shape == (1, 0)


def test_audio_of_another_shape_is_refused(backend: MusicBackend) -> None:
    with pytest.raises(InputError, match=r"\[1, 2, 640\]"):
        backend.encode(np.zeros((1, 2, 640), np.float32))
    with pytest.raises(InputError, match="outside 0 to 31"):
        backend.decode(np.full((1, CODEBOOKS, 4), 32))
