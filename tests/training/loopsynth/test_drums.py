from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.describing import treble_balance
from studio.training.loopsynth.drums import (
    KIT_CHARACTERS,
    KIT_COUNT,
    VOICES,
    drum_hit,
    kit_character,
    kit_sounds,
)


def test_the_bank_holds_six_kits_of_each_character() -> None:
    assert KIT_COUNT >= 96
    characters = [kit_character(kit) for kit in range(KIT_COUNT)]
    assert {name: characters.count(name) for name in KIT_CHARACTERS} == dict.fromkeys(
        KIT_CHARACTERS, 6
    )


@pytest.mark.parametrize("kit", range(KIT_COUNT))
def test_every_hit_starts_at_once_ends_in_silence_and_does_not_clip(kit: int) -> None:
    hits = kit_sounds(kit)
    assert set(hits) == {f"{soft}{voice}" for voice in VOICES for soft in ("", "soft ")}
    for sound in hits.values():
        size = np.abs(sound)
        assert sound.dtype == np.float32
        assert 0.25 < size.max() < 1.0
        assert size[:320].max() > 0.15 * size.max()
        assert size[-1] == 0
        assert size[-64:].max() < 0.06


def test_no_two_kits_share_a_hit() -> None:
    kicks = {kit_sounds(kit)["kick"].tobytes() for kit in range(KIT_COUNT)}
    assert len(kicks) == KIT_COUNT


def _mean_treble(character: str, voice: str) -> float:
    kits = [kit for kit in range(KIT_COUNT) if kit_character(kit) == character]
    return float(np.mean([treble_balance(kit_sounds(kit)[voice]) for kit in kits]))


def _mean_length(character: str, voice: str = "snare") -> float:
    kits = [kit for kit in range(KIT_COUNT) if kit_character(kit) == character]
    return float(np.mean([len(kit_sounds(kit)[voice]) for kit in kits]))


def test_characters_sound_like_their_names() -> None:
    assert _mean_treble("bright", "snare") > 2 * _mean_treble("dusty", "snare")
    assert _mean_length("808", "kick") > 1.4 * _mean_length("acoustic", "kick")
    assert _mean_length("glitch", "kick") < 0.6 * _mean_length("909", "kick")
    assert _mean_treble("deep", "snare") < _mean_treble("bright", "snare")
    assert _mean_length("tight") < 0.7 * _mean_length("heavy")
    assert _mean_length("roomy") > 1.3 * _mean_length("heavy")


def test_a_shared_hit_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        kit_sounds(0)["kick"][0] = 1


def test_soft_hits_are_duller_than_hard_ones() -> None:
    for kit in range(0, KIT_COUNT, 5):
        for voice in ("snare", "hat", "conga"):
            hard, soft = drum_hit(kit, voice), drum_hit(kit, voice, soft=True)
            assert treble_balance(soft) < treble_balance(hard)
            assert len(soft) <= len(hard)
