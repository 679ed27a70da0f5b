"""A bundle of random weights in the shape of a published model.

Owns the writing of that bundle into a folder of its own, and the questions before it: is there
room on the disk and in memory. Names and sizes of the tensors are the networks' own, so that the
ordinary door and other programs open the folder like any other.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from studio.benchmark.machine import available_memory_bytes
from studio.core.errors import StorageError
from studio.models.bundle import CONFIG, GENERATION, MELODY, TOKENIZER, WEIGHTS
from studio.models.language_config import PITCH_CLASSES, TextConfig
from studio.models.shapes import CODEC_PREFIX, Shapes
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.transformer import MusicDecoder, MusicLanguageModel
from studio.training.publish import bundle_config

WORDS = (
    "warm dusty piano chords over brushed drums and an upright bass with tape hiss slow late "
    "night smoky club feel"
).split()
_NO_TEXT = TextConfig(vocabulary=2, dim=2, head_dim=1, heads=1, ffn_dim=2, layers=1)
_HALF_WIDTH = 0.035  # the standard deviation of a uniform draw is then 0.02
_SEED = 2024
_DISK_RESERVE_BYTES = 2**28


@contextmanager
def random_bundle(name: str, shapes: Shapes, tell: Callable[[str], None]) -> Iterator[Path]:
    """A folder with random weights, deleted at the end.

    Args:
        name: What to call the model.
        shapes: Of its networks.
        tell: Given one line about what it takes.

    Raises:
        StorageError: There is not enough disk or memory for it, or it cannot be written.
    """
    with torch.device("meta"):
        numbers = sum(tensor.numel() for tensor in _language_tensors(shapes).values())
    parent = Path(tempfile.gettempdir())
    _check_room(name, numbers, parent, tell)
    folder = Path(tempfile.mkdtemp(prefix="studio-bench-", dir=parent))
    try:
        bundle = folder / f"random-{name}"
        try:
            write_random_bundle(shapes, bundle)
        except OSError as error:
            raise StorageError(
                f"The random weights could not be written to {parent}: {error.strerror or error}."
                " Free some space or set TMPDIR."
            ) from error
        yield bundle
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_random_bundle(shapes: Shapes, folder: Path) -> None:
    """Write a bundle; the same bytes every time.

    Raises:
        OSError: It cannot be written.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.device("meta"):
        wanted = _language_tensors(shapes)
    tensors = {name: _drawn(name, blank.shape, generator) for name, blank in wanted.items()}
    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        codec = EncodecModel(shapes.codec)
    codec.codebooks.normal_(generator=generator)
    for name, value in codec.to_hf().items():
        tensors[CODEC_PREFIX + name] = value.detach().half().contiguous()
    folder.mkdir(parents=True)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    filler = shapes.decoder.vocabulary
    generation = {
        "bos_token_id": filler,
        "pad_token_id": filler,
        "decoder_start_token_id": filler,
        "do_sample": True,
        "guidance_scale": 3.0,
        "top_k": 250,
    }
    (folder / CONFIG).write_text(json.dumps(_config(shapes)), encoding="utf-8")
    (folder / GENERATION).write_text(json.dumps(generation), encoding="utf-8")
    if shapes.text is not None:
        _tokenizer().save(str(folder / TOKENIZER))


def _check_room(name: str, numbers: int, parent: Path, tell: Callable[[str], None]) -> None:
    disk, free = 2 * numbers + _DISK_RESERVE_BYTES, shutil.disk_usage(parent).free
    memory, available = 2 * numbers + _DISK_RESERVE_BYTES, available_memory_bytes()
    known = "" if available is None else f" ({available / 1e9:.1f} GB available)"
    tell(
        f"random weights of {name}: {numbers / 1e6:.0f} million numbers, "
        f"{disk / 1e9:.1f} GB on disk in {parent} ({free / 1e9:.1f} GB free), "
        f"{memory / 1e9:.1f} GB of memory while writing{known}"
    )
    if disk > free:
        raise StorageError(
            f"Random weights of {name} need {disk / 1e9:.1f} GB in {parent}, where"
            f" {free / 1e9:.1f} GB are free; free some space or set TMPDIR."
        )
    if available is not None and memory > available:
        raise StorageError(
            f"Random weights of {name} need {memory / 1e9:.1f} GB of memory,"
            f" {available / 1e9:.1f} GB are available; close other programs or take a smaller one."
        )


def _drawn(name: str, size: torch.Size, generator: torch.Generator) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(size, dtype=torch.float16)
    if len(size) == 1:
        return torch.ones(size, dtype=torch.float16)
    return torch.empty(size).uniform_(-_HALF_WIDTH, _HALF_WIDTH, generator=generator).half()


def _language_tensors(shapes: Shapes) -> dict[str, Tensor]:
    if shapes.text is None:
        return MusicDecoder(shapes.decoder).to_hf()
    bins = 0 if shapes.melody is None else PITCH_CLASSES
    return MusicLanguageModel(shapes.text, shapes.decoder, chroma_bins=bins).to_hf()


def _config(shapes: Shapes) -> dict[str, Any]:
    if shapes.text is None:
        whole = bundle_config(_NO_TEXT, shapes.codec, shapes.decoder)
        sections = {name: whole[name] for name in ("model_type", "decoder", "audio_encoder")}
        sections["decoder"]["cross_attention"] = False
        return sections
    config = bundle_config(shapes.text, shapes.codec, shapes.decoder)
    config["decoder"]["audio_channels"] = shapes.decoder.channels
    if shapes.melody is not None:
        config |= {
            "architectures": ["MusicgenMelodyForConditionalGeneration"],
            "model_type": MELODY,
            "num_chroma": PITCH_CLASSES,
            "chroma_length": shapes.melody.frames,
        }
        config["decoder"]["model_type"] = f"{MELODY}_decoder"
    return config


def _tokenizer() -> Tokenizer:
    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", vocabulary["</s>"])]
    )
    return tokenizer
