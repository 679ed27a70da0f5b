"""Everything the trainer reads, in memory: codes, words and the split.

Owns the two sides of the split, the order in which segments are seen, and the frequencies that
are the baseline. Both sides are a function of the seed alone, and so is what each step reads.

Letters: S segments, K codebooks, T codec frames, V codes in a codebook, B segments of a step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import TrainingError
from studio.training.workshop.scan import Survey
from studio.training.workshop.token_cache import TokenCache
from studio.training.workshop.words import Caption

_MOST_BYTES = 2**31
_WORDS_WANTED = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """The segments of one side of the split.

    Attributes:
        codes: int16 [S, K, T].
        frames: int32 [S], how many of each are learnt.
        sketches: float16 [S, M].
        variants: int16 [S], the number of the variation each was cut in.
        sounds: int32 [S], which sound each is of.
        paths: Of all sounds, below the folder.
        captions: Of all sounds.
        groups: Of all sounds; nearly equal ones share theirs.
    """

    codes: NDArray[np.int16]
    frames: NDArray[np.int32]
    sketches: NDArray[np.float16]
    variants: NDArray[np.int16]
    sounds: NDArray[np.int32]
    paths: tuple[str, ...]
    captions: tuple[Caption, ...]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)

    def part(self, chosen: NDArray[np.int64]) -> Corpus:
        """Some of the segments, in this order."""
        return Corpus(
            codes=self.codes[chosen],
            frames=self.frames[chosen],
            sketches=self.sketches[chosen],
            variants=self.variants[chosen],
            sounds=self.sounds[chosen],
            paths=self.paths,
            captions=self.captions,
            groups=self.groups,
        )


def gather(survey: Survey, captions: Sequence[Caption], cache: TokenCache) -> Corpus:
    """All cached segments of a survey.

    Raises:
        TrainingError: There are none, or too many to hold.
    """
    parts, sounds = [], []
    size = 0
    for number, sound in enumerate(survey.sounds):
        coded = cache.load(sound.facts.content_hash)
        if coded is None or not len(coded.frames):
            continue
        size += coded.codes.nbytes + coded.sketches.nbytes
        if size > _MOST_BYTES:
            raise TrainingError(
                "The sounds are too many to hold their codes in memory: train on a part of the "
                "folder, or with fewer codebooks."
            )
        parts.append(coded)
        sounds += [number] * len(coded.frames)
    if not parts:
        raise TrainingError("No sound could be turned into codes: see the list of skipped files.")
    return Corpus(
        codes=np.concatenate([part.codes for part in parts]),
        frames=np.concatenate([part.frames for part in parts]),
        sketches=np.concatenate([part.sketches for part in parts]),
        variants=np.concatenate([part.variants for part in parts]),
        sounds=np.array(sounds, dtype=np.int32),
        paths=tuple(sound.path for sound in survey.sounds),
        captions=tuple(captions),
        groups=np.array([sound.group for sound in survey.sounds], dtype=np.int64),
    )


def mostly_described(captions: Sequence[Caption]) -> bool:
    """Whether half of the sounds have words, and not all the same ones."""
    described = [caption.words for caption in captions if caption]
    return len(described) >= _WORDS_WANTED * len(captions) and len(set(described)) > 1


def split(corpus: Corpus, share: float, seed: int) -> tuple[Corpus, Corpus]:
    """Segments to train on, and segments that are never trained on: those as they are, unvaried.

    Sounds that are nearly equal stay together. A folder that is one sound gives its end away.
    """
    plain = corpus.variants == 0
    sizes: dict[int, int] = {}
    for sound in corpus.sounds[plain]:
        group = int(corpus.groups[sound])
        sizes[group] = sizes.get(group, 0) + 1
    wanted = share * int(plain.sum())
    if share == 0 or plain.sum() < 2:
        return corpus, corpus.part(np.zeros(0, dtype=np.int64))
    if len(sizes) == 1:
        return _split_in_time(corpus, max(1, round(wanted)))

    def drawn(group: int) -> bytes:
        return hashlib.sha256(f"{seed} {corpus.paths[group]}".encode("utf-8", "replace")).digest()

    held: set[int] = set()
    taken = 0
    for group in sorted(sizes, key=drawn):
        if taken >= wanted or len(held) == len(sizes) - 1:
            break
        # A large one is passed over where others are left, so that the share stays near.
        if taken + sizes[group] > 2 * wanted and taken + sizes[group] > 1:
            continue
        held.add(group)
        taken += sizes[group]
    if not held:
        held = {min(sizes, key=lambda group: (sizes[group], drawn(group)))}
    outside = np.array([int(corpus.groups[sound]) in held for sound in corpus.sounds])
    return corpus.part(np.flatnonzero(~outside)), corpus.part(np.flatnonzero(outside & plain))


def _split_in_time(corpus: Corpus, count: int) -> tuple[Corpus, Corpus]:
    """Hold the last `count` plain segments out, and what of the variations reaches into them."""
    kept = []
    for variant in range(int(corpus.variants.max()) + 1):
        places = np.flatnonzero(corpus.variants == variant)
        kept.append(places[: max(0, len(places) - count - (variant > 0))])
    plain = np.flatnonzero(corpus.variants == 0)
    return corpus.part(np.concatenate(kept)), corpus.part(plain[-count:])


def rows_of_step(segments: int, batch: int, step: int, seed: int) -> NDArray[np.int64]:
    """Which segments a step reads, [B]: one random order of all of them after another."""
    places = np.arange(step * batch, (step + 1) * batch)
    rows = np.empty(batch, dtype=np.int64)
    for epoch in np.unique(places // segments):
        order = np.random.default_rng((seed, 1, int(epoch))).permutation(segments)
        here = places // segments == epoch
        rows[here] = order[places[here] % segments]
    return rows


def texts_of_step(
    corpus: Corpus, rows: NDArray[np.int64], *, step: int, seed: int, left_out: float
) -> list[str]:
    """A caption of each segment of a step; "" is the null condition."""
    texts = []
    for place, row in enumerate(rows):
        rng = np.random.default_rng((seed, 2, step, place))
        spared = rng.random() < left_out
        texts.append("" if spared else corpus.captions[corpus.sounds[row]].random(rng))
    return texts


def full_texts(corpus: Corpus) -> list[str]:
    """The whole caption of each segment."""
    return [corpus.captions[sound].full() for sound in corpus.sounds]


def unigram_nats(train: Corpus, held_out: Corpus, vocabulary: int) -> NDArray[np.float64]:
    """Held-out nats of each codebook, [K], under the frequencies of codes in training.

    Every code is counted once more than it was seen, so that none is impossible.
    """
    nats = []
    for k in range(train.codes.shape[1]):
        counts = np.bincount(_learnt(train, k), minlength=vocabulary) + 1.0
        logs = -np.log(counts / counts.sum())
        nats.append(float(logs[_learnt(held_out, k)].mean()) if len(held_out) else float("nan"))
    return np.array(nats)


def _learnt(corpus: Corpus, k: int) -> NDArray[np.int16]:
    """The codes of one codebook that carry loss, one after another."""
    kept = np.arange(corpus.codes.shape[2])[None] < corpus.frames[:, None]
    codes: NDArray[np.int16] = corpus.codes[:, k][kept]
    return codes
