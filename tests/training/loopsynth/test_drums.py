from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.drums import (
    KIT_CHARACTERS,
    KIT_COUNT,
    VOICES,
    kit_character,
    kit_sounds,
)
from studio.training.loopsynth.render import treble_balance


def test_the_bank_holds_four_kits_of_each_character() -> None:
    characters = [kit_character(kit) for kit in range(KIT_COUNT)]
    assert {name: characters.count(name) for name in KIT_CHARACTERS} == dict.fromkeys(
        KIT_CHARACTERS, 4
    )


@pytest.mark.parametrize("kit", range(KIT_COUNT))
def test_every_hit_starts_at_once_ends_in_silence_and_does_not_clip(kit: int) -> None:
    hits = kit_sounds(kit)
    assert tuple(hits) == VOICES
    for sound in hits.values():
        size = np.abs(sound)
        assert sound.dtype == np.float32
        assert 0.25 < size.max() < 1.0
        assert size[:320].max() > 0.15 * size.max()
        assert size[-1] == 0
        assert size[-64:].max() < 0.05


def test_no_two_kits_share_a_hit() -> None:
    kicks = {kit_sounds(kit)["kick"].tobytes() for kit in range(KIT_COUNT)}
    assert len(kicks) == KIT_COUNT


def _mean_treble(character: str, voice: str) -> float:
    kits = [kit for kit in range(KIT_COUNT) if kit_character(kit) == character]
    return float(np.mean([treble_balance(kit_sounds(kit)[voice]) for kit in kits]))


def _mean_length(character: str) -> float:
    kits = [kit for kit in range(KIT_COUNT) if kit_character(kit) == character]
    return float(np.mean([len(kit_sounds(kit)["snare"]) for kit in kits]))


def test_characters_sound_like_their_names() -> None:
    assert _mean_treble("bright", "snare") > 2 * _mean_treble("dusty", "snare")
    assert _mean_treble("deep", "snare") < _mean_treble("bright", "snare")
    assert _mean_length("tight") < 0.7 * _mean_length("heavy")
    assert _mean_length("roomy") > 1.3 * _mean_length("heavy")


def test_a_shared_hit_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        kit_sounds(0)["kick"][0] = 1
