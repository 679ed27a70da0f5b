"""The codec that a model is trained over.

Owns reading it out of a bundle, or out of an EnCodec model's own folder, and its fingerprint. It
trains nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from studio.core.errors import ModelError, TrainingError
from studio.models.bundle import CONFIG, WEIGHTS
from studio.models.codec_config import EncodecConfig
from studio.models.shapes import CODEC_PREFIX, naming
from studio.models.torch_backend.audiocraft.parts import read_object, read_weights
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.weights import Section

_LARGEST_CODE = 2**15


def load_codec(folder: Path) -> EncodecModel:
    """The codec in a folder, in float32.

    Raises:
        ModelError: The folder holds no codec that is built here.
        TrainingError: Its codebooks are larger than the token cache can hold.
    """
    if not folder.is_dir():
        raise ModelError(f"The codec's folder {folder} does not exist; give a model's folder.")
    values = read_object(folder / CONFIG)
    alone = values.get("model_type") == "encodec"
    section = values if alone else values.get("audio_encoder")
    prefix = "" if alone else CODEC_PREFIX
    with naming(folder / CONFIG):
        if not isinstance(section, dict):
            raise ModelError("it describes no codec")
        config = EncodecConfig.from_hf(section)
    if config.codebook_size > _LARGEST_CODE:
        raise TrainingError(
            f"The codec in {folder} has codebooks of {config.codebook_size}, more than the "
            f"{_LARGEST_CODE} that can be trained on; take another."
        )
    weights = read_weights(folder, prefixes=(prefix,))
    model = EncodecModel(config)
    with naming(folder / WEIGHTS):
        try:
            model.load_hf(Section({name: w.tensor for name, w in weights.items()}, prefix))
        except (RuntimeError, IndexError) as error:
            raise ModelError(f"the tensors of the codec do not fit each other ({error})") from error
    return model.eval()


def fingerprint(model: EncodecModel) -> str:
    """Hex SHA-256 of a codec's shape and numbers: equal ones give equal codes."""
    total = hashlib.sha256(repr(model.config).encode())
    for name, value in sorted(model.state_dict().items()):
        total.update(name.encode())
        total.update(np.ascontiguousarray(value.cpu().numpy()).data)
    return total.hexdigest()
