"""The residual vector quantiser.

Owns the search for the nearest code. The networks around it are in `codec`.

Letters: n vectors, K codebooks, V codes in a codebook, D latent dimension.
"""

from __future__ import annotations

from numba import njit

from studio.models.native_backend.kernels.convolution import convolve
from studio.models.native_backend.kernels.products import COMPILED


@njit(**COMPILED)
def quantise(matrices, books, latents, nearness, codes):
    """Write the codes of latents, each codebook coding what the ones before it left.

    The nearest vector b of a codebook has the largest v b - |b|^2 / 2; of equally near ones the
    first is taken.

    Args:
        matrices: `MATRIX` records, one a codebook: its vectors, with -|b|^2 / 2 as the bias.
        books: float32 [K, V, D'], D' as wide as the latents.
        latents: float32 [n, D']; becomes what no codebook has coded.
        nearness: float32 [n, V'], room for the products.
        codes: int64 [K, n], written.
    """
    for book in range(codes.shape[0]):
        matrix = matrices[book]
        convolve(
            matrix, latents.ctypes.data, latents.strides[0], matrix.bias, 0, nearness.ctypes.data,
            nearness.strides[0], latents.shape[0], 0, matrix.panels,
        )  # fmt: skip
        for row in range(latents.shape[0]):
            best, highest = 0, nearness[row, 0]
            for code in range(1, books.shape[1]):
                if nearness[row, code] > highest:
                    best, highest = code, nearness[row, code]
            codes[book, row] = best
            for number in range(latents.shape[1]):
                latents[row, number] -= books[book, best, number]
