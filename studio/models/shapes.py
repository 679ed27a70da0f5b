"""Which networks a bundle describes.

Owns the kinds of models, the agreement of their parts, and the guard against configurations that
lie about their size, the same for every backend. It reads no tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from studio.core.errors import ModelError
from studio.models.bundle import CONFIG, PROMPTING, WEIGHTS, WEIGHTS_INDEX, Bundle, file_fault
from studio.models.codec_config import EncodecConfig
from studio.models.config_fields import read_integer
from studio.models.language_config import PITCH_CLASSES, DecoderConfig, MelodyConfig, TextConfig

LANGUAGE_PREFIXES = ("text_encoder.", "enc_to_dec_proj.", "audio_enc_to_dec_proj.", "decoder.")
CODEC_PREFIX = "audio_encoder."
LONGEST_WINDOW_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """The shapes of a bundle's networks.

    Attributes:
        text: None where the model reads no prompt.
        melody: None where it hears none.
        decoder: Of the language model.
        codec: Of one channel.
    """

    text: TextConfig | None
    melody: MelodyConfig | None
    decoder: DecoderConfig
    codec: EncodecConfig

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """Read the configuration of `bundle`.

        Raises:
            ModelError: A part is not supported, makes no sense, or does not fit another.
        """
        with naming(bundle.folder / CONFIG):
            sections = bundle.config
            text = TextConfig.from_hf(sections["text_encoder"]) if bundle.has_text else None
            melody = MelodyConfig.from_hf(sections) if bundle.has_melody else None
            decoder = DecoderConfig.from_hf(
                sections["decoder"], cross_attention=bundle.has_text and not bundle.has_melody
            )
            codec = EncodecConfig.from_hf(sections["audio_encoder"])
            if codec.codebook_size != decoder.vocabulary:
                raise ModelError(
                    f"the decoder speaks codebooks of {decoder.vocabulary},"
                    f" the codec of {codec.codebook_size}"
                )
            if decoder.codebooks > decoder.channels * codec.codebooks:
                raise ModelError(
                    f"the decoder speaks {decoder.codebooks // decoder.channels} codebooks a"
                    f" channel, the codec has {codec.codebooks}"
                )
        return cls(text=text, melody=melody, decoder=decoder, codec=codec)

    @property
    def language_parameters(self) -> int:
        """Numbers in text encoder, projections and decoder."""
        dim = self.decoder.dim
        total = self.decoder.parameters
        if self.text is not None:
            total += self.text.parameters
            if self.text.dim != dim:
                total += (self.text.dim + 1) * dim
            if self.melody is not None and dim != PITCH_CLASSES:
                total += (PITCH_CLASSES + 1) * dim
        return total

    def window_frames(self, bundle: Bundle) -> int:
        """Most codec frames that fit the context of `bundle` at once.

        Raises:
            ModelError: None fit.
        """
        longest = int(LONGEST_WINDOW_SECONDS * self.codec.frame_rate)
        with naming(bundle.folder / PROMPTING):
            taught = read_integer(bundle.prompting or {}, "context_frames", longest)
        positions = self.decoder.max_positions
        prefix = 0 if self.melody is None else self.melody.frames
        occupied = max(self.decoder.delays) + 1 + prefix
        if positions <= occupied:
            with naming(bundle.folder / CONFIG):
                raise ModelError(
                    f"max_position_embeddings must be above {occupied}, not {positions}"
                )
        return min(longest, taught, positions - occupied)


def require_amount(bundle: Bundle, wanted: int, prefixes: tuple[str, ...]) -> None:
    """Refuse a configuration that asks for far more numbers than the files hold.

    Args:
        bundle: The bundle.
        wanted: How many numbers the network has.
        prefixes: Of the names of its tensors.

    Raises:
        ModelError: It does.
    """
    held = sum(
        int(np.prod(entry.shape, dtype=np.float64))
        for name, entry in bundle.entries.items()
        if name.startswith(prefixes)
    )
    if wanted > 4 * held + 2**20:
        raise ModelError(
            f"it holds {held} numbers under {prefixes[0]}* where {CONFIG} asks for {wanted}"
        )


def weights_file(bundle: Bundle) -> Path:
    """The file to name when a tensor of `bundle` is at fault."""
    return bundle.folder / (WEIGHTS_INDEX if len(bundle.weight_files) > 1 else WEIGHTS)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the cause of a fault found in it."""
    try:
        yield
    except ModelError as error:
        if str(path) in error.user_message:
            raise
        raise file_fault(path, error.user_message) from error
    except ArithmeticError as error:
        raise file_fault(path, f"a number is out of range ({error})") from error
