"""Which ways through the decoder a batch of takes needs, and how their logits meet.

Owns the order of the decoder's rows and the guidance between them, the same for every backend. It
runs no network.

Letters in shapes: B takes, R streams, K codebooks, V codes in a codebook, D model width, L text
tokens, P places of the prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.models.sampling import guide

TEXT_BLOCK = 32
"""Texts are padded to a multiple of this many tokens, so that few lengths occur."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """One condition, in the decoder's own width, as arrays of the backend's library.

    Attributes:
        text: What the layers attend to, float [L, D]; None is the null condition, under which
            attention adds nothing and is left out.
        prefix: What stands before the tokens, float [P, D]; None is nothing.
    """

    text: Any = None
    prefix: Any = None

    @property
    def text_length(self) -> int:
        """L with its padding; 0 without a text."""
        return 0 if self.text is None else -(-len(self.text) // TEXT_BLOCK) * TEXT_BLOCK

    @property
    def prefix_length(self) -> int:
        """P; 0 without a prefix."""
        return 0 if self.prefix is None else len(self.prefix)


class Streams:
    """The streams of a batch, in an order that lets the decoder treat neighbours together.

    Attributes:
        ordered: The streams: those with a text first, equal lengths side by side.
        takes: For each of them the take whose tokens it reads.
        pairs: int64 [B, 2]: for each take the row that decides, and the one that it is led away
            from, or -1.
    """

    def __init__(self, takes: Sequence[Sequence[Stream]]) -> None:
        """Order the streams of all takes.

        Args:
            takes: For each take the stream that decides, and after it, under guidance, the one
                that is led away from.
        """
        places = [
            (take, role, stream)
            for take, streams in enumerate(takes)
            for role, stream in enumerate(streams)
        ]
        places.sort(
            key=lambda place: (
                place[2].text is None,
                place[2].text_length,
                place[2].prefix_length,
                place[1],
            )
        )
        self.ordered = [stream for _, _, stream in places]
        self.takes = [take for take, _, _ in places]
        rows = {(take, role): row for row, (take, role, _) in enumerate(places)}
        self.pairs = np.array(
            [[rows[take, 0], rows.get((take, 1), -1)] for take in range(len(takes))], dtype=np.int64
        )

    def combine(self, logits: NDArray[np.float32], guidance: float) -> NDArray[np.float32]:
        """One row a take: [R, K, V] to [B, K, V]."""
        decisive, avoided = self.pairs.T
        combined: NDArray[np.float32] = logits[decisive]
        guided = avoided >= 0
        if guided.any():
            combined[guided] = guide(combined[guided], logits[avoided[guided]], guidance)
        return combined
