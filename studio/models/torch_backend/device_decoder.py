"""The decoder on a device: memory that stays where it is, and shapes that do not change.

Owns the arithmetic of a step and of whole passages over the weights of a `MusicDecoder`, and the
memory of keys and values. It knows neither sampling nor the delay pattern.

All streams have read equally much: what stands before the tokens is shorter in some, which then
begin later, behind cells that are never looked at. Attention goes over the first cells of the
memory, as many as the caller says, and a mask tells those that have been written; so a step costs
what the used length costs, rounded up. A stream without a text takes no part in the attention to
texts.

In float32 and with few streams a step equals that of any other backend up to rounding. That a
stream's numbers keep every bit whatever stands beside it, as on the CPU, is not promised here:
libraries choose another kernel for another number of rows, and none says which.

Letters in shapes: R streams, n of them with a text, K codebooks, V codes in a codebook, D model
width, H heads, E width of one head, L text tokens, S places of a passage, C cells of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from studio.models.torch_backend.transformer import DecoderBlock, MusicDecoder, sinusoids


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """What the first n streams attend to.

    Attributes:
        both: Keys and values in each layer, float [n, 2, H, L, E].
        mask: float [n, 1, 1, L]: 0, and minus infinity at padding.
    """

    both: list[Tensor]
    mask: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """What the streams have read.

    Attributes:
        past: Keys and values in each layer, float [R, 2, H, C, E]. They are finite everywhere,
            also where nothing has been written.
        mask: float [R, 1, 1, C]: minus infinity where a stream has written nothing.
        texts: None where no stream has a text.
    """

    past: list[Tensor]
    mask: Tensor
    texts: Texts | None


class DeviceDecoder:
    """A decoder's arithmetic, on the device and in the numbers of its weights.

    Attributes:
        config: Its sizes.
        device: Of its weights.
        dtype: Of its weights, of the rows between its layers and of its memory.
        blocks: Its layers.
        token_rows: int64 [K], what is added to a token to find its vector.
    """

    def __init__(self, decoder: MusicDecoder) -> None:
        """Compute with the weights of `decoder`, all of one kind and on one device."""
        self.config = decoder.config
        self.device = decoder.heads.weight.device
        self.dtype = decoder.heads.weight.dtype
        self._decoder = decoder
        self.blocks = [block for block in decoder.blocks if isinstance(block, DecoderBlock)]
        self._heads = decoder.config.heads
        self._width = decoder.config.dim // decoder.config.heads
        self.token_rows = torch.arange(decoder.config.codebooks, device=self.device)
        self.token_rows *= decoder.config.vocabulary + 1

    def new_memory(self, *, rows: int, cells: int, texted: int, text_length: int) -> Memory:
        """Room for so many streams, the first `texted` of which have texts."""
        heads, width, layers = self._heads, self._width, len(self.blocks)

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=self.dtype, device=self.device)

        texts = None
        if texted:
            both = [zeros(texted, 2, heads, text_length, width) for _ in range(layers)]
            texts = Texts(both=both, mask=zeros(texted, 1, 1, text_length))
        past = [zeros(rows, 2, heads, cells, width) for _ in range(layers)]
        return Memory(past=past, mask=zeros(rows, 1, 1, cells), texts=texts)

    def positions(self, length: int) -> Tensor:
        """The position vectors, float32 [length, D]; the host's, so every device has the same."""
        return sinusoids(length, self.config.dim).to(self.device)

    def embed(self, rows: Tensor, positions: Tensor) -> Tensor:
        """What the first layer reads, float [..., D].

        Args:
            rows: int64 [..., K], tokens with `token_rows` added.
            positions: float32 [..., D].
        """
        embedded = functional.embedding(rows, self._decoder.embedding.weight)
        return (embedded.sum(dim=-2, dtype=torch.float32) + positions).to(self.dtype)

    def read_texts(self, texts: Tensor) -> list[Tensor]:
        """Keys and values of `texts` [n, L, D] in each layer, float [n, 2, H, L, E]."""
        shape = (*texts.shape[:2], 2, self._heads, self._width)
        return [
            block.cross_attention.key_value(texts).view(shape).permute(0, 2, 3, 1, 4)
            for block in self.blocks
        ]

    def read_step(self, x: Tensor, memory: Memory, cell: Tensor, cells: int) -> Tensor:
        """One step of every stream.

        Args:
            x: float [R, D], as `embed` gives it.
            memory: Gets the step's keys and values.
            cell: int64 [1], the place that they are written to.
            cells: How many of the first cells are looked at; `cell` is one of them.

        Returns:
            float [R, D] for `predict`.
        """
        memory.mask.index_fill_(3, cell, 0.0)
        seen, rows = memory.mask[..., :cells], len(x)
        for layer, block in enumerate(self.blocks):
            past, attention = memory.past[layer], block.self_attention
            qkv = attention.qkv(block.self_norm(x)).view(rows, 3, self._heads, 1, self._width)
            past.index_copy_(3, cell, qkv[:, 1:])
            mixed = functional.scaled_dot_product_attention(
                qkv[:, 0], past[:, 0, :, :cells], past[:, 1, :, :cells], attn_mask=seen
            )
            x.addmm_(mixed.flatten(1), attention.out.weight.t())
            if memory.texts is not None:
                self._look_at_texts(x, memory.texts, layer, block)
            inner = functional.gelu(block.ffn_in(block.ffn_norm(x)))
            x.addmm_(inner, block.ffn_out.weight.t())
        return x

    def read_whole(
        self, x: Tensor, mask: Tensor, texts: Texts | None, past: list[Tensor] | None = None
    ) -> Tensor:
        """A passage of every stream.

        Args:
            x: float [R, S, D], as `embed` gives it.
            mask: bool [R, 1, S, S], True where a place looks at another.
            texts: None where no stream has one.
            past: Gets keys and values of the passage in its first S cells; see `Memory`.

        Returns:
            float [R, S, D] for `predict`.
        """
        rows, length, _ = x.shape
        for layer, block in enumerate(self.blocks):
            attention = block.self_attention
            qkv = attention.qkv(block.self_norm(x))
            qkv = qkv.view(rows, length, 3, self._heads, self._width).permute(0, 2, 3, 1, 4)
            if past is not None:
                past[layer][..., :length, :] = qkv[:, 1:]
            mixed = functional.scaled_dot_product_attention(
                qkv[:, 0], qkv[:, 1], qkv[:, 2], attn_mask=mask
            )
            x = x + attention.out(mixed.transpose(1, 2).flatten(2))
            if texts is not None:
                self._look_at_texts(x, texts, layer, block)
            x = x + block.ffn(x)
        return x

    def predict(self, x: Tensor) -> Tensor:
        """Logits float32 [..., K, V] of `x` [..., D]."""
        logits = self._decoder.heads(self._decoder.norm(x))
        by_codebook: Tensor = logits.unflatten(-1, (self.config.codebooks, -1)).float()
        return by_codebook

    def _look_at_texts(self, x: Tensor, texts: Texts, layer: int, block: DecoderBlock) -> None:
        """Attend from the first n rows of `x` [R, ..., D] to their texts, in place."""
        looking, both = block.cross_attention, texts.both[layer]
        said = x[: len(both)]
        rows = said.view(len(both), -1, self.config.dim)
        query = looking.query(block.cross_norm(rows))
        query = query.view(*rows.shape[:2], self._heads, self._width).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(
            query, both[:, 0], both[:, 1], attn_mask=texts.mask
        )
        mixed = mixed.transpose(1, 2).reshape(-1, self.config.dim)
        said.view(-1, self.config.dim).addmm_(mixed, looking.out.weight.t())
