"""A step of the decoder in eight kernels a layer, for few rows.

Owns the order of the kernels of `step_kernels.cu`, the memory between them, and the decision
whether they are believed. The step itself, and what it means, is that of `DeviceDecoder.read_step`.

With one or two takes a step reads each weight for a handful of products, and the time between one
operator and the next is as long as the operator. So norm, product and GELU are one kernel, product
and sum another, attention with the remembering a third; attention reads how long the past is on
the device.

Before a session uses the kernels they are held against the plain operators, on the model's own
weights and random rows. Where they differ, or do not compile, the plain ones are used, with a
notice.

Letters in shapes: R streams, n of them with a text, D model width, C cells of the memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from studio.models.torch_backend.device_decoder import DeviceDecoder, Memory
from studio.models.torch_backend.step_kernels import SOURCE, THREADS, Kernels, Launch
from studio.models.torch_backend.transformer import DecoderBlock

_LOG = logging.getLogger(__name__)
ReadStep = Callable[[Tensor, Memory, Tensor, int], Tensor]
"""`DeviceDecoder.read_step`, or what stands for it."""

MOST_ROWS = 4
"""With more, the products of libraries are better."""
_OUTPUTS = 4
_VECTOR_BYTES = 16
_WARP = 32
_MOST_SHARES = 8
_LEAST_SHARE = 64
_BLOCKS = 256
"""So many blocks keep a large device busy."""
_NAMES = ("make_qkv", "look_back", "add_mixed", "make_inner", "add_inner")
_TEXT_NAMES = ("make_query", "look_at_text", "add_said")
_TRIAL_CELLS = 200
_TRIAL_TEXT = 32
_TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.1}
"""Of the length of what a step adds to a row. Rounding stays ten times below."""


class FusedSteps:
    """Fused steps of one decoder, for any number of rows that they suit."""

    def __init__(self, decoder: DeviceDecoder, kernels: Kernels) -> None:
        self._decoder = decoder
        self._kernels = kernels
        self._built: dict[tuple[int, int], Launch | None] = {}

    def reader(self, rows: int, texted: int) -> ReadStep:
        """What reads steps of so many streams, the first `texted` of which have a text."""
        if not _suits(self._decoder, rows):
            return self._decoder.read_step
        if (rows, texted) not in self._built:
            self._built[rows, texted] = self._build(rows, texted)
        launch = self._built[rows, texted]
        if launch is None:
            return self._decoder.read_step
        return FusedStep(self._decoder, launch, rows, texted)

    def _build(self, rows: int, texted: int) -> Launch | None:
        decoder, config = self._decoder, self._decoder.config
        macros = {
            "FLOATS": int(decoder.dtype is torch.float32),
            "DIM": config.dim,
            "FFN": config.ffn_dim,
            "HEADS": config.heads,
            "ROWS": rows,
            "TEXTED": texted,
        }
        names = _NAMES + _TEXT_NAMES if texted else _NAMES
        try:
            launch = self._kernels.build(SOURCE.read_text(encoding="utf-8"), names, macros)
            differs = _difference(decoder, FusedStep(decoder, launch, rows, texted), rows, texted)
        except (OSError, RuntimeError, AttributeError) as error:
            cause = " ".join(str(error).split())
            _LOG.warning("Steps are not fused and will be slower: %.300s", cause)
            return None
        if not differs <= _TOLERANCES[decoder.dtype]:
            _LOG.warning("Steps are not fused: they would be %.2g beside the plain ones.", differs)
            return None
        return launch


class FusedStep:
    """The kernels of a step, with the memory between them; see `DeviceDecoder.read_step`."""

    def __init__(self, decoder: DeviceDecoder, launch: Launch, rows: int, texted: int) -> None:
        config = decoder.config
        self._launch = launch
        self._blocks = decoder.blocks
        self._rows, self._texted = rows, texted
        self._dim, self._ffn, self._heads = config.dim, config.ffn_dim, config.heads

        def empty(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=decoder.dtype, device=decoder.device)

        self._qkv = empty(rows, 3 * config.dim)
        self._query = empty(max(1, texted), config.dim)
        self._mixed = empty(rows, config.dim)
        self._inner = empty(rows, config.ffn_dim)
        width = config.dim // config.heads
        self._shares = torch.zeros(
            rows * config.heads * _MOST_SHARES * (width + 2), device=decoder.device
        )
        self._arrived = torch.zeros(rows * config.heads, dtype=torch.int32, device=decoder.device)

    def __call__(self, x: Tensor, memory: Memory, cell: Tensor, cells: int) -> Tensor:
        """See `DeviceDecoder.read_step`."""
        memory.mask.index_fill_(3, cell, 0.0)
        for layer, block in enumerate(self._blocks):
            self._look_back(x, memory, layer, block, cell, cells)
            if memory.texts is not None:
                self._look_at_text(x, memory, layer, block)
            norm = block.ffn_norm
            self._run(
                "make_inner", self._ffn, x, norm.weight, norm.bias, block.ffn_in.weight, self._inner
            )
            self._run("add_inner", self._dim, self._inner, block.ffn_out.weight, x)
        return x

    def _look_back(
        self, x: Tensor, memory: Memory, layer: int, block: DecoderBlock, cell: Tensor, cells: int
    ) -> None:
        attention, norm = block.self_attention, block.self_norm
        self._run(
            "make_qkv", 3 * self._dim, x, norm.weight, norm.bias, attention.qkv.weight, self._qkv
        )
        heads = self._rows * self._heads
        shares = max(1, min(_MOST_SHARES, cells // _LEAST_SHARE, -(-_BLOCKS // heads)))
        past = memory.past[layer]
        self._launch(
            "look_back",
            (heads, shares),
            [
                self._qkv,
                past,
                memory.mask,
                self._mixed,
                self._shares,
                self._arrived,
                cell,
                past.shape[3],
            ],
        )
        self._run("add_mixed", self._dim, self._mixed, attention.out.weight, x)

    def _look_at_text(self, x: Tensor, memory: Memory, layer: int, block: DecoderBlock) -> None:
        assert memory.texts is not None
        attention, norm = block.cross_attention, block.cross_norm
        both, mask = memory.texts.both[layer], memory.texts.mask
        self._run(
            "make_query", self._dim, x, norm.weight, norm.bias, attention.query.weight, self._query
        )
        self._launch(
            "look_at_text",
            (self._texted * self._heads, 1),
            [self._query, both, mask, self._mixed, both.shape[3]],
        )
        self._run("add_said", self._dim, self._mixed, attention.out.weight, x)

    def _run(self, name: str, outputs: int, *arguments: Tensor) -> None:
        """Launch a product with so many outputs."""
        self._launch(name, (-(-outputs // _OUTPUTS), 1), arguments)


def _suits(decoder: DeviceDecoder, rows: int) -> bool:
    """Whether the kernels know such numbers, such widths and so many rows."""
    config = decoder.config
    if rows > MOST_ROWS or decoder.dtype not in _TOLERANCES:
        return False
    vector = _VECTOR_BYTES // decoder.dtype.itemsize
    width = config.dim // config.heads
    lanes = width // vector
    return (
        config.dim % vector == config.ffn_dim % vector == width % vector == 0
        and lanes <= _WARP
        and lanes & (lanes - 1) == 0
        and width <= THREADS
    )


@torch.no_grad()
def _difference(decoder: DeviceDecoder, fused: ReadStep, rows: int, texted: int) -> float:
    """How far `fused` is from plain steps on random rows, of the length of what steps add.

    The last row begins late, as behind a shorter prefix.
    """
    random = torch.Generator().manual_seed(0)

    def fill(tensor: Tensor) -> None:
        tensor.copy_(torch.randn(tensor.shape, generator=random))

    memories = [
        decoder.new_memory(rows=rows, cells=_TRIAL_CELLS, texted=texted, text_length=_TRIAL_TEXT)
        for _ in range(2)
    ]
    plain, ours = memories
    for tensor in [*plain.past, *(plain.texts.both if plain.texts else [])]:
        fill(tensor)
    if plain.texts is not None:
        plain.texts.mask[..., _TRIAL_TEXT - 5 :] = -torch.inf
    worst = 0.0
    for place in (3, 5, _TRIAL_CELLS - 1):
        plain.mask.fill_(-torch.inf)
        plain.mask[..., :place] = 0.0
        plain.mask[-1, ..., :2] = -torch.inf
        _copy(plain, ours)
        x = torch.zeros(rows, decoder.config.dim, dtype=decoder.dtype, device=decoder.device)
        fill(x)
        cell = torch.full((1,), place, device=decoder.device)
        expected = decoder.read_step(x.clone(), plain, cell, _TRIAL_CELLS)
        found = fused(x.clone(), ours, cell, _TRIAL_CELLS)
        pairs = [(expected - x, found - x)]
        pairs += [
            (ours_past[..., place, :], past[..., place, :])
            for past, ours_past in zip(plain.past, ours.past, strict=True)
        ]
        for right, other in pairs:
            apart = (right.double() - other.double()).norm() / right.double().norm()
            worst = max(worst, float(apart.nan_to_num(torch.inf)))
    return worst


def _copy(source: Memory, target: Memory) -> None:
    for given, taken in zip(source.past, target.past, strict=True):
        taken.copy_(given)
    target.mask.copy_(source.mask)
    if source.texts is not None and target.texts is not None:
        for given, taken in zip(source.texts.both, target.texts.both, strict=True):
            taken.copy_(given)
        target.texts.mask.copy_(source.texts.mask)
