"""Which voices sound in a loop, heard by a small network.

Owns the classifier, its training on synthesised loops and their reconstructions, and its own
accuracy on loops it never heard. It is trained anew by each run: a minute or two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from studio.training.spectral import mel_filters

_WINDOW: Final = 1024
_HOP: Final = 512
_BANDS: Final = 64
_SECONDS: Final = 2.56
_BATCH: Final = 32
_FEWEST: Final = 12


@dataclass(frozen=True, kw_only=True)
class VoiceAccuracy:
    """How well one voice is heard, on loops not trained on.

    Attributes:
        heard: Share of the loops with it in which it is heard.
        imagined: Share of the loops without it in which it is heard.
        loops: Loops with it among the held-out ones.
    """

    heard: float
    imagined: float
    loops: int

    @property
    def balanced(self) -> float:
        """Mean of being right where it is and where it is not."""
        return (self.heard + 1 - self.imagined) / 2


class VoiceNetwork(nn.Module):
    """Convolutions over a log-mel map, averaged and maximised over time: one logit a voice."""

    def __init__(self, voices: int) -> None:
        super().__init__()
        widths = (1, 16, 32, 48, 64)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(widths[i], widths[i + 1], 3, stride=(2, 2 if i < 2 else 1), padding=1),
                nn.BatchNorm2d(widths[i + 1]),
                nn.ReLU(),
            )
            for i in range(len(widths) - 1)
        )
        flat = widths[-1] * (_BANDS // 16)
        self.out = nn.Sequential(nn.Linear(2 * flat, 128), nn.ReLU(), nn.Linear(128, voices))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps [B, bands, columns] to logits [B, voices]."""
        x = maps[:, None]
        for layer in self.layers:
            x = layer(x)
        x = x.flatten(1, 2)
        logits: Tensor = self.out(torch.cat([x.mean(-1), x.amax(-1)], dim=1))
        return logits


class VoiceClassifier:
    """Trained ears.

    Attributes:
        voices: Names, in the order of the logits.
        accuracy: How well each is heard.
    """

    def __init__(
        self, network: VoiceNetwork, voices: Sequence[str], thresholds: Tensor, sample_rate: int
    ) -> None:
        self.voices = tuple(voices)
        self.accuracy: dict[str, VoiceAccuracy] = {}
        self._network = network
        self._thresholds = thresholds
        self._sample_rate = sample_rate

    @torch.inference_mode()
    def heard(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
        """Which voices are heard in each sound: [sounds, voices]."""
        logits = _logits(self._network, voice_maps(sounds, self._sample_rate))
        return (logits > self._thresholds).numpy()

    def examine(self, sounds: Sequence[NDArray[np.float32]], truth: NDArray[np.bool_]) -> None:
        """Set `accuracy` by loops that were not trained on."""
        found = self.heard(sounds)
        for place, voice in enumerate(self.voices):
            there = truth[:, place]
            if there.sum() >= _FEWEST and (~there).sum() >= _FEWEST:
                self.accuracy[voice] = VoiceAccuracy(
                    heard=round(float(found[there, place].mean()), 3),
                    imagined=round(float(found[~there, place].mean()), 3),
                    loops=int(there.sum()),
                )


def voice_maps(sounds: Sequence[NDArray[np.float32]], sample_rate: int) -> Tensor:
    """Log-mel maps of the first 2.56 s, played round: [N, bands, columns]."""
    filters = mel_filters(sample_rate, _WINDOW, _BANDS).T * (4 / _WINDOW)
    window = np.hanning(_WINDOW).astype(np.float32)
    frames = round(_SECONDS * sample_rate)
    rows = []
    for sound in sounds:
        heard = np.pad(np.resize(sound, frames), (_WINDOW // 2, _WINDOW // 2))
        parts = np.lib.stride_tricks.sliding_window_view(heard, _WINDOW)[::_HOP] * window
        level = np.abs(np.fft.rfft(parts, axis=1)) @ filters
        rows.append(np.log(level.T + 1e-4) / 3 + 2)
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def _logits(network: VoiceNetwork, maps: Tensor) -> Tensor:
    network.eval()
    return torch.cat([network(part) for part in maps.split(_BATCH)])


def train_classifier(
    sounds: Sequence[NDArray[np.float32]],
    truth: NDArray[np.bool_],
    voices: Sequence[str],
    sample_rate: int,
    *,
    epochs: int,
) -> VoiceClassifier:
    """Train on sounds and on which voices sound in them, [sounds, voices].

    An eighth is kept aside to choose each voice's threshold.
    """
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    maps = voice_maps(sounds, sample_rate)
    labels = torch.from_numpy(truth.astype(np.float32))
    order = rng.permutation(len(sounds))
    aside, used = order[: len(order) // 8], order[len(order) // 8 :]
    share = labels[used].mean(0).clamp(0.02, 0.98)
    network = VoiceNetwork(len(voices))
    steps = epochs * (len(used) // _BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=max(steps, 2))
    for _ in range(epochs):
        network.train()
        shuffled = rng.permutation(used)
        for begin in range(0, len(shuffled) - _BATCH + 1, _BATCH):
            part = shuffled[begin : begin + _BATCH]
            batch = maps[part] + float(rng.uniform(-0.3, 0.3))
            batch = batch.roll(int(rng.integers(batch.shape[2])), dims=2)
            loss = F.binary_cross_entropy_with_logits(
                network(batch), labels[part], pos_weight=((1 - share) / share).sqrt()
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.inference_mode():
        thresholds = _thresholds(_logits(network, maps[aside]), labels[aside] > 0.5)
    return VoiceClassifier(network, voices, thresholds, sample_rate)


def _thresholds(logits: Tensor, truth: Tensor) -> Tensor:
    """For each voice the logit that is right most often, both kinds of loop counting alike."""
    tried = torch.linspace(-4, 3, 57)
    chosen = []
    for column, there in zip(logits.T, truth.T, strict=True):
        right = [
            (column[there] > level).float().mean() + (column[~there] <= level).float().mean()
            if there.any() and not there.all()
            else -level.abs()
            for level in tried
        ]
        chosen.append(tried[int(torch.stack(right).argmax())])
    return torch.stack(chosen)
