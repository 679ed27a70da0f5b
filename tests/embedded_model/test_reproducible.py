"""Nothing about a take is left to luck, whether alone, in a batch, short, long or extended.

`python3 packaging/dev.py test tests/embedded_model -s` prints the figures.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio import MusicGen
from studio.core.paths import resources_dir
from studio.generation.request import Take
from studio.generation.windows import slide
from studio.models.bundle import open_bundle
from studio.models.prompting import PromptTemplate

LONG_BARS = 24
TEMPO = 187.5  # a grid's own tempo: sample frames and codec frames keep step
BAR = 64  # codec frames
HOP = 640  # sample frames of a codec frame


@pytest.fixture(scope="module")
def model() -> MusicGen:
    return MusicGen.from_pretrained("house")


def test_a_take_of_a_batch_of_sixteen_is_the_take_alone(model: MusicGen) -> None:
    options = {"max_steps": 120, "bpm": TEMPO}
    batch = model.codes("jungle break, dark reese bass", seed=40, count=16, batch=16, **options)
    for place in (0, 7, 15):
        alone = model.codes("jungle break, dark reese bass", seed=40 + place, **options)
        np.testing.assert_array_equal(batch[place], alone[0])


def test_different_prompts_share_a_batch_without_touching_each_other(model: MusicGen) -> None:
    prompts = ["techno, acid bass", "dub", "drum and bass roller, heavy kit, A minor"]
    takes = model.takes(prompts, seed=3, max_steps=100, bpm=TEMPO, negative="drums")
    for prompt, take in zip(prompts, takes, strict=True):
        (alone,) = model.takes(prompt, seed=3, max_steps=100, bpm=TEMPO, negative="drums")
        np.testing.assert_array_equal(take.codes, alone.codes)
        np.testing.assert_array_equal(take.clip.samples, alone.clip.samples)


def test_eight_seconds_begin_with_the_four_seconds_of_the_same_seed(model: MusicGen) -> None:
    (short,) = model.takes("house beat", seed=5, bpm=125, duration_seconds=4.0)
    (long,) = model.takes("house beat", seed=5, bpm=125, duration_seconds=8.0)
    frames = short.codes.shape[1]
    np.testing.assert_array_equal(long.codes[:, :frames], short.codes)


def test_a_part_made_anew_fits_between_what_is_kept(model: MusicGen) -> None:
    (take,) = model.takes("jungle break", seed=5, bpm=TEMPO, bars=2)
    part = model.regenerate(take, from_seconds=0.64, to_seconds=1.28, seed=6)
    np.testing.assert_array_equal(part.codes[:, :32], take.codes[:, :32])
    np.testing.assert_array_equal(part.codes[:, 64:], take.codes[:, 64:])
    assert not np.array_equal(part.codes[:, 32:64], take.codes[:, 32:64])
    assert part.clip.frames == take.clip.frames


@pytest.fixture(scope="module")
def long_take(model: MusicGen) -> Take:
    (take,) = model.takes("jungle break, dark reese bass", seed=11, bpm=TEMPO, bars=LONG_BARS)
    return take


def test_no_seam_of_a_long_take_is_louder_than_the_material(
    model: MusicGen, long_take: Take
) -> None:
    """Windows end on one beat of a bar; their seams are held against that beat elsewhere."""
    prompting = open_bundle(resources_dir() / "models" / "house").prompting
    assert prompting is not None
    context = PromptTemplate.from_dict(prompting).context_frames
    windows = slide(long_take.codes.shape[1], context, bar_frames=BAR, period_frames=2 * BAR)
    starts = [window.first_frame + window.prefix_frames for window in windows[1:]]
    beat = starts[0] % BAR
    assert {start % BAR for start in starts} == {beat}
    samples = long_take.clip.samples[0]
    clicks = {frame: roughness(samples, frame * HOP) for frame in range(beat, LONG_BARS * BAR, BAR)}
    loudest_seam = max(clicks[frame] for frame in starts)
    loudest_other = max(clicks[frame] for frame in clicks if frame not in starts)
    print(f"\n{len(starts)} seams {loudest_seam:.4f}, elsewhere {loudest_other:.4f} (RMS of slope)")
    assert loudest_seam <= 1.1 * loudest_other


def roughness(samples: NDArray[np.float32], place: int) -> float:
    """RMS of the slope within 5 ms of a place: a click is steep."""
    near = samples[place - 160 : place + 160]
    return float(np.sqrt(np.mean(np.square(np.diff(near)))))
