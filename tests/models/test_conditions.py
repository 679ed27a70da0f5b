"""What a prompt, a negative prompt and a melody do, on the torch backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.core.errors import InputError, ModelError, StudioError
from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.native_backend.backend import NativeBackend
from studio.models.patterns import delay
from studio.models.sampling import guide
from tests.models.reference import (
    CHROMA_FRAMES,
    PROMPT,
    SHORT_PROMPT,
    Reference,
    Shape,
    build_model,
    save_model,
)

FRAMES = 24
GUIDANCE = 2.5
MELODY = np.array([0, 4, 7, 4, 9], dtype=np.int8)
Ours = Callable[[str], NativeBackend]


def _greedy(
    backend: NativeBackend, condition: Condition, guidance: float = GUIDANCE
) -> NDArray[np.int64]:
    steps = backend.steps(
        [condition], frames=FRAMES, seeds=[0], sampling=Sampling(top_k=1, guidance=guidance)
    )
    return np.stack(list(steps), axis=-1)


def _expected(
    backend: NativeBackend,
    codes: NDArray[np.int64],
    condition: Condition,
    avoided: Condition | None,
) -> NDArray[np.int64]:
    """The likeliest codes after what stands before each of `codes`."""
    delays = [codebook // backend.info.channels for codebook in range(backend.info.codebooks)]
    grid = delay(codes, backend.info.codebook_size, delays)
    logits = backend.logits(grid, [condition])
    if avoided is not None:
        logits = guide(logits, backend.logits(grid, [avoided]), GUIDANCE)
    likeliest = logits.argmax(-1)
    # The last codebook's fillers are not seen by the frames before.
    seen = codes.shape[2] - max(delays)
    return np.stack([likeliest[:, q, late : late + seen] for q, late in enumerate(delays)], axis=1)


@pytest.mark.parametrize(
    ("name", "condition", "avoided"),
    [
        ("mono", Condition(text=PROMPT), Condition()),
        ("mono", Condition(text=PROMPT, negative=SHORT_PROMPT), Condition(text=SHORT_PROMPT)),
        ("mono", Condition(negative=SHORT_PROMPT), Condition(text=SHORT_PROMPT)),
        ("stereo", Condition(text=PROMPT, negative="hat"), Condition(text="hat")),
        ("melody", Condition(melody=MELODY), Condition()),
        ("melody", Condition(text="", negative=""), None),
        (
            "melody",
            Condition(text="dub hat", negative="kick swing", melody=MELODY),
            Condition(text="kick swing"),
        ),
        ("unconditional", Condition(), None),
    ],
)
def test_guidance_leads_from_the_negative_to_the_prompt(
    ours: Ours, name: str, condition: Condition, avoided: Condition | None
) -> None:
    backend = ours(name)
    codes = _greedy(backend, condition)
    expected = _expected(backend, codes, condition, avoided)
    np.testing.assert_array_equal(codes[..., : expected.shape[2]], expected)


def test_a_negative_changes_the_take_and_without_guidance_nothing(ours: Ours) -> None:
    plain, led = Condition(text=PROMPT), Condition(text=PROMPT, negative=SHORT_PROMPT)
    backend = ours("mono")
    assert (_greedy(backend, plain) != _greedy(backend, led)).any()
    np.testing.assert_array_equal(_greedy(backend, plain, 1.0), _greedy(backend, led, 1.0))


@pytest.mark.parametrize("name", ["mono", "melody"])
def test_where_both_streams_are_alike_guidance_changes_nothing(ours: Ours, name: str) -> None:
    backend = ours(name)
    for condition in (Condition(), Condition(text=PROMPT, negative=PROMPT)):
        np.testing.assert_array_equal(
            _greedy(backend, condition, 9.0), _greedy(backend, condition, 1.0)
        )


def test_a_melody_changes_the_take_and_is_repeated_to_the_end(ours: Ours) -> None:
    backend = ours("melody")
    heard = _greedy(backend, Condition(text=PROMPT, melody=MELODY))
    assert (heard != _greedy(backend, Condition(text=PROMPT))).any()
    for same in (np.resize(MELODY, CHROMA_FRAMES), np.resize(MELODY, 3 * CHROMA_FRAMES)):
        again = _greedy(backend, Condition(text=PROMPT, melody=same.astype(np.int8)))
        np.testing.assert_array_equal(again, heard)


def test_texts_of_different_length_in_both_slots_of_a_melody_model_are_padded(ours: Ours) -> None:
    backend = ours("melody")
    condition = Condition(text=PROMPT, negative="hat", melody=MELODY)
    codes = _greedy(backend, condition)
    # Zeros behind the shorter text put the tokens at other places than it does alone.
    alone = _expected(backend, codes, condition, Condition(text="hat"))
    assert codes.shape == (1, backend.info.codebooks, FRAMES)
    assert (codes[..., : alone.shape[2]] != alone).any()


@pytest.mark.parametrize(
    ("name", "condition", "error", "cause"),
    [
        ("unconditional", Condition(text=PROMPT), ModelError, "leave the prompt"),
        ("unconditional", Condition(negative=PROMPT), ModelError, "does not read text"),
        ("unconditional", Condition(melody=MELODY), ModelError, "does not follow a melody"),
        ("mono", Condition(text=PROMPT, melody=MELODY), ModelError, "choose a melody model"),
        ("melody", Condition(melody=MELODY[:0]), InputError, r"int8 \[0\]"),
        ("melody", Condition(melody=MELODY[None]), InputError, r"int8 \[1, 5\]"),
        ("melody", Condition(melody=MELODY.astype(float)), InputError, "float64"),
        ("melody", Condition(melody=np.array([3, 12], np.int8)), InputError, "outside 0 to 11"),
        ("melody", Condition(melody=np.array([-1], np.int8)), InputError, "outside 0 to 11"),
        ("mono", Condition(text="hat " * 5_000), InputError, "5001 tokens, more than 4096"),
    ],
)
def test_what_a_model_does_not_know_is_refused_in_one_line(
    ours: Ours, name: str, condition: Condition, error: type[StudioError], cause: str
) -> None:
    options: dict[str, Any] = {"frames": 4, "seeds": [0], "sampling": Sampling()}
    with pytest.raises(error, match=cause) as caught:
        ours(name).steps([condition], **options)
    assert "\n" not in caught.value.user_message


def test_facts_about_every_kind_of_model(ours: Ours) -> None:
    def facts(name: str) -> tuple[object, ...]:
        info = ours(name).info
        return (info.channels, info.codebooks, info.has_text, info.has_melody, info.cache_bytes)

    assert facts("mono") == (1, 4, True, False, 3 * 2 * 4 * 32)
    assert facts("stereo") == (2, 8, True, False, 2 * 2 * 4 * 32)
    assert facts("melody") == (1, 4, True, True, 2 * 2 * 4 * 32)
    assert facts("stereo melody") == (2, 4, True, True, 2 * 2 * 4 * 32)
    assert facts("unconditional") == (1, 4, False, False, 2 * 2 * 4 * 32)


@pytest.mark.parametrize("name", ["mono", "melody", "unconditional"])
def test_parameters_are_those_of_the_language_model(
    ours: Ours, oracle: Callable[[str], Reference], name: str
) -> None:
    counted = {
        id(parameter): parameter.numel()
        for part, parameter in oracle(name).model.named_parameters()
        if "audio_encoder" not in part and not (name == "unconditional" and "encoder_attn" in part)
    }
    assert ours(name).info.parameters == sum(counted.values())


def test_a_huge_head_is_a_head_like_others(tmp_path: Path) -> None:
    shape = Shape(kind="unconditional", dim=2048, heads=2, layers=1, ffn_dim=64)
    reference = save_model(build_model(shape), tmp_path / "heads")
    backend = NativeBackend(open_bundle(reference.folder), "float32")
    tokens = np.random.default_rng(0).integers(0, 32, (1, 4, 9))
    expected = reference.logits(tokens, [])
    actual = backend.logits(tokens, None)
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=1e-5)
