"""A preview: what the model would play now, and how near it is to what it has heard.

Owns the files of the folder `previews`: a WAV and its codes for each. It trains nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from studio.audio.clip import AudioClip
from studio.audio.loudness import limit_peak
from studio.core.errors import StorageError
from studio.core.storage import one_line, shown_path
from studio.models.backend import Sampling
from studio.models.codes import save_codes
from studio.models.torch_backend.codec import EncodecModel
from studio.training.workshop.dataset import Corpus
from studio.training.workshop.events import PreviewMade
from studio.training.workshop.neighbours import Neighbourhood
from studio.training.workshop.network import Network, read_texts, sample_codes
from studio.training.workshop.segments import Layout
from studio.training.workshop.token_cache import SketchArtist

SAMPLING = Sampling(temperature=0.9, top_k=50, guidance=1.0)
TEXT_SAMPLING = Sampling(temperature=0.9, top_k=50, guidance=1.5)
_TEXTS = 4


class Previewer:
    """Makes previews of one network."""

    def __init__(
        self,
        folder: Path,
        network: Network,
        codec: EncodecModel,
        layout: Layout,
        train: Corpus,
        tokenizer: Tokenizer | None,
        *,
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            folder: Of the files; made with the first.
            network: In training.
            codec: On the same device.
            layout: Of the segments.
            train: What is trained on.
            tokenizer: None for a network without words.
            seed: Of the first take.
        """
        self._folder = folder
        self._network = network
        self._codec = codec
        self._layout = layout
        self._tokenizer = tokenizer
        self._seed = seed
        self._artist = SketchArtist(layout, codec.codebooks.device)
        self._neighbourhood = Neighbourhood(train, seed=seed)
        described = [train.captions[sound].full() for sound in dict.fromkeys(train.sounds)]
        spread = np.linspace(0, len(described) - 1, min(_TEXTS, len(described))).round()
        self._texts = [described[int(place)] for place in spread] if tokenizer else [""]

    @torch.inference_mode()
    def make(self, step: int, *, turn: int) -> PreviewMade:
        """Make the preview of a step.

        Args:
            step: Steps done.
            turn: Counts the previews; they go through a few texts in turn.

        Raises:
            StorageError: Its files cannot be written.
        """
        turn %= len(self._texts)
        text = self._texts[turn]
        codes = sample_codes(
            self._network,
            read_texts(self._tokenizer, [text]) if self._tokenizer and text else None,
            frames=self._layout.frames,
            seed=self._seed + turn,
            sampling=SAMPLING if self._tokenizer is None else TEXT_SAMPLING,
        )
        device = self._codec.codebooks.device
        audio = self._codec.decode(torch.from_numpy(codes)[None].to(device))[:, 0]
        near = self._neighbourhood.nearest(codes, self._artist.draw(audio)[0])
        wav, stored = (self._folder / f"step-{step:06}.{suffix}" for suffix in ("wav", "npz"))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{shown_path(self._folder)} cannot be made ({error.strerror or error}): choose "
                "another folder with --work."
            ) from error
        samples = limit_peak(audio.float().cpu().numpy())
        AudioClip(samples=samples, sample_rate=self._layout.sample_rate).save(wav)
        save_codes(stored, codes, text=text, step=str(step))
        return PreviewMade(
            step=step,
            wav=wav,
            codes=stored,
            text=text,
            nearest=one_line(near.path),
            code_agreement=near.agreement,
            usual_agreement=self._neighbourhood.usual_agreement,
            mel_distance=near.mel_distance,
            usual_mel_distance=self._neighbourhood.usual_mel_distance,
            copies=self._neighbourhood.copies(near),
        )
