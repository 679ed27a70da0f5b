"""The sizes a model can have.

Owns the presets, their numbers of parameters and bytes, and the learning rate that suits each.
It builds no network and measures nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.models.language_config import DecoderConfig, TextConfig


@dataclass(frozen=True, kw_only=True)
class Size:
    """One preset.

    Attributes:
        name: What a person types.
        dim: Width of the decoder.
        layers: Its blocks.
        heads: Its heads; few and wide ones where the preset is made to sound odd.
        text_dim: Width of the text encoder.
        text_layers: Its blocks.
        learning_rate: Peak of the schedule.
        about: What it is for, in a few words.
    """

    name: str
    dim: int
    layers: int
    heads: int
    text_dim: int
    text_layers: int
    learning_rate: float
    about: str

    def decoder(self, *, codebooks: int, vocabulary: int, text: bool, frames: int) -> DecoderConfig:
        """The decoder's shape for a codec of `codebooks` x `vocabulary` codes.

        Its positions end with the `frames` it has seen, so that no program asks for more.
        """
        return DecoderConfig(
            codebooks=codebooks,
            vocabulary=vocabulary,
            dim=self.dim,
            layers=self.layers,
            heads=self.heads,
            ffn_dim=4 * self.dim,
            max_positions=frames + codebooks,
            cross_attention=text,
        )

    def text(self, vocabulary: int) -> TextConfig:
        """The text encoder's shape for so many tokens."""
        return TextConfig(
            vocabulary=vocabulary,
            dim=self.text_dim,
            head_dim=32,
            heads=self.text_dim // 32,
            ffn_dim=4 * self.text_dim,
            layers=self.text_layers,
        )

    def parameters(self, *, codebooks: int, vocabulary: int, text_tokens: int = 0) -> int:
        """Numbers in the language model; `text_tokens` is 0 without text."""
        width, attention = self.dim, 4 * self.dim**2 + 2 * self.dim
        block = attention + 8 * width**2 + 2 * width + (attention if text_tokens else 0)
        codes = codebooks * (2 * vocabulary + 1) * width + 2 * width
        return self.layers * block + codes + self._text_parameters(text_tokens)

    def _text_parameters(self, tokens: int) -> int:
        if not tokens:
            return 0
        config = self.text(tokens)
        inner = config.heads * config.head_dim
        block = 4 * config.dim * inner + 2 * config.dim * config.ffn_dim + 2 * config.dim
        projection = 0 if config.dim == self.dim else (config.dim + 1) * self.dim
        tables = tokens * config.dim + config.position_buckets * config.heads + config.dim
        return config.layers * block + tables + projection


def _size(
    name: str, dim: int, layers: int, heads: int, text: tuple[int, int], rate: float, about: str
) -> Size:
    return Size(
        name=name,
        dim=dim,
        layers=layers,
        heads=heads,
        text_dim=text[0],
        text_layers=text[1],
        learning_rate=rate,
        about=about,
    )


SIZES = {
    size.name: size
    for size in (
        _size("nano", 128, 4, 4, (96, 1), 3e-3, "minutes; a handful of sounds"),
        _size("micro", 256, 6, 4, (128, 2), 1.5e-3, "a coffee break; up to an hour of sound"),
        _size("wide", 768, 2, 2, (128, 2), 8e-4, "two broad layers, few heads: quick and odd"),
        _size("small", 384, 8, 6, (160, 2), 1e-3, "an evening; several hours of sound"),
        _size("medium", 512, 12, 8, (192, 2), 7e-4, "a night, or a graphics card"),
        _size("large", 1024, 16, 16, (256, 3), 4e-4, "a graphics card; days of sound"),
    )
}
