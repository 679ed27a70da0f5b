from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.models.backend import Sampling
from studio.models.torch_backend.backend import TorchBackend
from tests.models.reference import CODEBOOKS, PROMPT, SHORT_PROMPT, Reference, under

FRAMES = 200


@torch.inference_mode()
def _reference_take(
    reference: Reference, guidance: float, *texts: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Greedy codes [B, K, T] and audio [B, 1, N] as transformers makes them."""
    seen: list[torch.Tensor] = []
    codec = reference.model.audio_encoder
    decode = codec.decode

    def remember(codes: torch.Tensor, **rest: object) -> object:
        seen.append(codes)
        return decode(codes, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "decode", remember)
        audio = reference.model.generate(
            **reference.texts(*texts),
            do_sample=False,
            guidance_scale=guidance,
            max_new_tokens=FRAMES + CODEBOOKS - 1,
        )
    return seen[0][0].numpy(), audio.numpy()


@pytest.mark.parametrize(
    ("guidance", "texts"),
    [(1.0, (PROMPT,)), (3.0, (PROMPT,)), (3.0, (PROMPT, SHORT_PROMPT))],
    ids=["unguided", "guided", "guided and padded"],
)
def test_greedy_takes_equal_those_of_transformers(
    reference: Reference, backend: TorchBackend, guidance: float, texts: tuple[str, ...]
) -> None:
    codes, audio = _reference_take(reference, guidance, *texts)
    steps = backend.steps(
        under(*texts),
        frames=FRAMES,
        seeds=[0] * len(texts),
        sampling=Sampling(top_k=1, guidance=guidance),
        closed=True,
    )
    actual = np.stack(list(steps), axis=-1)
    assert len(np.unique(codes)) > 10
    np.testing.assert_array_equal(actual, codes)
    np.testing.assert_allclose(backend.decode(actual), audio, atol=1e-5, rtol=0.0)
