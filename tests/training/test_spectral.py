from __future__ import annotations

import numpy as np
import torch

from studio.training.spectral import (
    AttackDistance,
    MelDistance,
    PitchDistance,
    mel_filters,
    pitch_filters,
    si_sdr_db,
)


def test_every_mel_band_hears_something_and_peaks_near_one() -> None:
    for n_fft, bands in ((32, 6), (128, 12), (2048, 80)):
        filters = mel_filters(32_000, n_fft, bands)
        assert filters.shape == (bands, n_fft // 2 + 1)
        assert (filters.max(axis=1) > 0.1).all()
        assert filters.max() <= 1.0


def test_a_full_scale_sine_measures_about_one() -> None:
    seconds = torch.arange(32_000) / 32_000
    sine = torch.sin(2 * torch.pi * 1_000 * seconds)[None]
    loudest = MelDistance().mel(sine, 1024).amax(dim=1)[0, 10:-10].mean().item()
    assert 0.7 < loudest < 1.3


def test_distance_is_zero_to_itself_and_grows_with_noise() -> None:
    torch.manual_seed(0)
    sound = torch.randn(2, 16_000) * 0.1
    distance = MelDistance()
    assert distance(sound, sound)[0].item() == 0
    little = distance(sound, sound + 0.01 * torch.randn_like(sound))[0]
    much = distance(sound, sound + 0.1 * torch.randn_like(sound))[0]
    assert 0 < little < much


def test_si_sdr_ignores_scale_and_counts_noise() -> None:
    rng = np.random.default_rng(0)
    sound = torch.from_numpy(rng.standard_normal((1, 32_000)).astype(np.float32))
    noise = torch.from_numpy(rng.standard_normal((1, 32_000)).astype(np.float32))
    noisy = sound + 0.1 * noise
    assert abs(si_sdr_db(sound, noisy).item() - 20) < 0.3
    assert abs(si_sdr_db(sound, 3 * noisy).item() - 20) < 0.3


def chord(*notes: int) -> torch.Tensor:
    seconds = torch.arange(32_000) / 32_000
    tones = [torch.sin(2 * torch.pi * 440 * 2 ** ((n - 69) / 12) * seconds) for n in notes]
    return 0.2 * torch.stack(tones).sum(0)[None]


def test_every_pitch_band_hears_a_tone_of_its_own() -> None:
    for n_fft, bands in ((4096, 12), (8192, 24)):
        filters = pitch_filters(32_000, n_fft, bands)
        assert (filters.max(axis=1) > 0.1).all()
        assert len({tuple(row) for row in filters.tolist()}) == len(filters)


def test_pitches_tell_thirds_apart_where_mel_bands_hardly_do() -> None:
    minor, major = chord(60, 63, 67), chord(60, 64, 67)
    torch.manual_seed(0)
    hiss = minor + 1e-3 * torch.randn_like(minor)
    pitches, mels = PitchDistance(), MelDistance()
    assert pitches(minor, minor).item() == 0
    assert pitches(minor, major) > 1.5 * pitches(minor, hiss)
    assert mels(minor, major)[0] < mels(minor, hiss)[0]


def test_pitches_hear_noise_between_partials() -> None:
    torch.manual_seed(0)
    clean = chord(60, 63, 67)
    noisy = clean + 0.02 * torch.randn_like(clean)
    assert PitchDistance()(clean, noisy) > 0.3


def hits(rise_samples: int) -> torch.Tensor:
    """Bursts of noise that fall for a tenth of a second, over a hum."""
    sound = 0.05 * torch.sin(2 * torch.pi * 220 * torch.arange(32_000) / 32_000)
    time = torch.arange(4_000)
    shape = torch.exp(-time / 800) * (time / rise_samples).clamp(max=1)
    generator = torch.Generator().manual_seed(0)
    for start in range(1_000, 28_000, 6_000):
        sound[start : start + 4_000] += 0.2 * shape * torch.randn(4_000, generator=generator)
    return sound[None]


def test_attacks_hear_a_smeared_hit_far_more_than_a_softer_one() -> None:
    sharp, smeared = hits(1), hits(1_600)
    attacks, levels = AttackDistance(), MelDistance()
    assert sum(attacks(sharp, sharp)).item() == 0
    by_attack = attacks(sharp, smeared)[0] / attacks(sharp, 0.7 * sharp)[0]
    by_level = levels(sharp, smeared)[0] / levels(sharp, 0.7 * sharp)[0]
    assert by_attack > 3 * by_level


def test_the_strength_of_attacks_hears_a_lost_soft_hit_more_than_another_noise() -> None:
    generator = torch.Generator().manual_seed(1)
    background = 0.02 * torch.randn(1, 32_000, generator=generator)
    other = 0.02 * torch.randn(1, 32_000, generator=generator)
    bands, strength = AttackDistance()(background + 0.3 * hits(1), background)
    other_bands, other_strength = AttackDistance()(background, other)
    assert strength / other_strength > 2 * bands / other_bands
