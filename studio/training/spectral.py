"""Spectral distances that training and its measures share.

Owns the mel filter bank, the multi-resolution mel distance, the distances of pitches and of
attacks, and the scale-invariant signal-to-distortion ratio. Trains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

FULL_RESOLUTIONS = ((128, 12), (256, 24), (512, 40), (1024, 64), (2048, 80))
SHORT_RESOLUTIONS = ((32, 6), (64, 10), (256, 24), (1024, 64), (2048, 80))
_PITCH_RESOLUTIONS = ((4096, 12), (8192, 24))
_LOWEST_PITCH_HZ, _HIGHEST_PITCH_HZ = 130.0, 3_000.0
_INAUDIBLE = 1e-3
_ATTACK_WINDOW, _ATTACK_HOP, _ATTACK_BANDS = 512, 128, 32
_ATTACK_LAG = 3
_ATTACK_STRENGTH_FLOOR = 1.0


def mel_filters(
    sample_rate: int, n_fft: int, bands: int, low_hz: float = 20.0
) -> NDArray[np.float32]:
    """Triangular filters of unit peak, evenly spaced in mel: float32 [bands, n_fft // 2 + 1].

    Mel scale of O'Shaughnessy 1987, 2595 log10(1 + f / 700).
    """
    bin_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    low, high = (2595 * np.log10(1 + f / 700) for f in (low_hz, sample_rate / 2))
    edges = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    rising = (bin_hz[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bin_hz[None]) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    for band in np.flatnonzero(filters.sum(axis=1) == 0):
        filters[band, np.abs(bin_hz - edges[band + 1]).argmin()] = 1.0
    return filters.astype(np.float32)


class MelDistance(nn.Module):
    """L1 distance between mel magnitudes at several window lengths, in log and linear scale."""

    def __init__(
        self,
        resolutions: Sequence[tuple[int, int]] = FULL_RESOLUTIONS,
        sample_rate: int = 32_000,
    ) -> None:
        super().__init__()
        self.resolutions = tuple(resolutions)
        for n_fft, bands in self.resolutions:
            self.register_buffer(f"window_{n_fft}", torch.hann_window(n_fft))
            filters = torch.from_numpy(mel_filters(sample_rate, n_fft, bands))
            self.register_buffer(f"filters_{n_fft}", filters)

    def mel(self, audio: Tensor, n_fft: int) -> Tensor:
        """Mel magnitudes of audio [B, N]: [B, bands, columns], about 1 for a full-scale sine."""
        window = self.get_buffer(f"window_{n_fft}")
        spectrum = torch.stft(audio, n_fft, n_fft // 4, window=window, return_complex=True)
        power = torch.view_as_real(spectrum).pow(2).sum(-1) * (16.0 / n_fft**2)
        banded = torch.einsum("mf,bft->bmt", self.get_buffer(f"filters_{n_fft}"), power)
        return torch.sqrt(banded + 1e-9)

    def forward(self, reference: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Mean absolute difference of (log magnitude, magnitude) between two [B, N]."""
        logarithmic = torch.zeros((), device=reference.device)
        linear = torch.zeros((), device=reference.device)
        for n_fft, _ in self.resolutions:
            a, b = self.mel(reference, n_fft), self.mel(other, n_fft)
            difference = torch.log(a + 1e-4) - torch.log(b + 1e-4)
            logarithmic = logarithmic + difference.abs().mean()
            linear = linear + (a - b).abs().mean()
        count = len(self.resolutions)
        return logarithmic / count, linear / count


def pitch_filters(sample_rate: int, n_fft: int, bands_an_octave: int) -> NDArray[np.float32]:
    """Triangular filters of unit peak, evenly spaced in pitch: float32 [bands, n_fft // 2 + 1].

    Each reaches from the band below it to the band above, and at least one bin far.
    """
    octaves = np.log2(_HIGHEST_PITCH_HZ / _LOWEST_PITCH_HZ)
    centres = _LOWEST_PITCH_HZ * 2 ** (np.arange(int(octaves * bands_an_octave)) / bands_an_octave)
    bin_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    reach = np.maximum(centres * (2 ** (1 / bands_an_octave) - 1), sample_rate / n_fft)
    filters = 1 - np.abs(bin_hz[None] - centres[:, None]) / reach[:, None]
    return np.clip(filters, 0, None).astype(np.float32)


class PitchDistance(nn.Module):
    """L1 distance of log magnitudes in bands of a semitone and of a quarter tone.

    Mel bands are two to three semitones wide where chords are, so a mel distance does not hear
    noise between their partials, nor which third a chord has. Windows are long, so this one
    says nothing of attacks.
    """

    def __init__(self, sample_rate: int = 32_000) -> None:
        super().__init__()
        for n_fft, bands in _PITCH_RESOLUTIONS:
            filters = torch.from_numpy(pitch_filters(sample_rate, n_fft, bands))
            heard = int(filters.any(dim=0).nonzero().max()) + 1
            self.register_buffer(f"filters_{n_fft}", filters[:, :heard].contiguous())
            self.register_buffer(f"window_{n_fft}", torch.hann_window(n_fft))

    def forward(self, reference: Tensor, other: Tensor) -> Tensor:
        """The distance between two [B, N], in nats."""
        distances = [
            (self._levels(reference, n_fft) - self._levels(other, n_fft)).abs().mean()
            for n_fft, _ in _PITCH_RESOLUTIONS
        ]
        return torch.stack(distances).mean()

    def _levels(self, audio: Tensor, n_fft: int) -> Tensor:
        filters = self.get_buffer(f"filters_{n_fft}")
        window = self.get_buffer(f"window_{n_fft}")
        spectrum = torch.stft(audio, n_fft, n_fft // 4, window=window, return_complex=True)
        bins = torch.view_as_real(spectrum[:, : filters.shape[1]])
        banded = torch.einsum("pf,bft->bpt", filters, bins.pow(2).sum(-1) * (16.0 / n_fft**2))
        return torch.log(torch.sqrt(banded + 1e-9) + _INAUDIBLE)


class AttackDistance(nn.Module):
    """L1 distance of the rises of log magnitudes over 12 ms, in 32 mel bands and all together.

    A distance of levels forgives an attack that is smeared over some milliseconds, or drowned in
    what sounds before it. Here every rise counts by how far it rises, and nothing else counts.
    Band by band a soft attack is hardly foreseeable, and the least expected distance is none at
    all; so the strength of all bands together counts, too, by its logarithm: a soft attack as
    much as a hard one. A band rises as far as it gets above its neighbours before.
    """

    def __init__(self, sample_rate: int = 32_000) -> None:
        super().__init__()
        filters = mel_filters(sample_rate, _ATTACK_WINDOW, _ATTACK_BANDS)
        self.register_buffer("filters", torch.from_numpy(filters))
        self.register_buffer("window", torch.hann_window(_ATTACK_WINDOW))

    def forward(self, reference: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The distance (band by band, of their sums) between two [B, N], in nats."""
        (bands, strength), (their_bands, their_strength) = map(self._rises, (reference, other))
        return (bands - their_bands).abs().mean(), (strength - their_strength).abs().mean()

    def _rises(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        window = self.get_buffer("window")
        spectrum = torch.stft(
            audio, _ATTACK_WINDOW, _ATTACK_HOP, window=window, return_complex=True
        )
        power = torch.view_as_real(spectrum).pow(2).sum(-1) * (16.0 / _ATTACK_WINDOW**2)
        banded = torch.einsum("mf,bft->bmt", self.get_buffer("filters"), power)
        level = torch.log(torch.sqrt(banded + 1e-9) + _INAUDIBLE)
        now, before = level[..., _ATTACK_LAG:], level[..., :-_ATTACK_LAG]
        loudest = nn.functional.max_pool2d(before, (3, 1), 1, (1, 0))
        strength = (now - loudest).relu().sum(1)
        return (now - before).relu(), torch.log(strength + _ATTACK_STRENGTH_FLOOR)


def si_sdr_db(reference: Tensor, estimate: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB of [B, N] pairs: [B].

    Source: Le Roux et al. 2019, "SDR - half-baked or well done?".
    """
    reference = reference - reference.mean(-1, keepdim=True)
    estimate = estimate - estimate.mean(-1, keepdim=True)
    scale = (reference * estimate).sum(-1, keepdim=True) / (
        reference.pow(2).sum(-1, keepdim=True) + 1e-8
    )
    target = scale * reference
    noise = (estimate - target).pow(2).sum(-1)
    return 10 * torch.log10(target.pow(2).sum(-1) / (noise + 1e-8) + 1e-8)
