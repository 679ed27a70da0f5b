"""Prompts to text tokens, as the bundle's own `tokenizer.json` says.

Owns the padding of several texts to one grid. Which end or start tokens a text gets is the
file's business, not ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from studio.models.bundle import file_fault


class TextTokenizer:
    """The tokenizer of one bundle."""

    def __init__(self, file: Path, *, vocabulary: int) -> None:
        """Read a `tokenizer.json`.

        Args:
            file: The file.
            vocabulary: How many tokens the text encoder knows.

        Raises:
            ModelError: The file is not a tokenizer.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise file_fault(file, f"it is not a tokenizer ({error})") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._file = file
        self._vocabulary = vocabulary

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Tokenise texts.

        Returns:
            ids int64 [B, L] and mask bool [B, L], False where a text is padded; L is the
            longest text's number of tokens.

        Raises:
            ModelError: A token is outside the text encoder's vocabulary.
        """
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        length = max((len(row) for row in rows), default=0)
        ids = np.zeros((len(rows), length), dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.bool_)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = True
        if ids.size and int(ids.max()) >= self._vocabulary:
            raise file_fault(
                self._file,
                f"its token {int(ids.max())} is beyond the {self._vocabulary} tokens of the text"
                " encoder",
            )
        return ids, mask
