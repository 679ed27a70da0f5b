from __future__ import annotations

import numpy as np
import pytest

from studio.models.relative_positions import offset_buckets, relative_position_buckets


@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (16, 64), (8, 20)])
def test_distances_between_words_fall_into_the_same_buckets(
    buckets: int, max_distance: int
) -> None:
    import torch

    from studio.models.torch_backend import text

    expected = text.relative_position_buckets(
        400, buckets=buckets, max_distance=max_distance, device=torch.device("cpu")
    )
    actual = relative_position_buckets(400, buckets=buckets, max_distance=max_distance)
    np.testing.assert_array_equal(actual, expected.numpy())


@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 1), (32, 8), (4, 1), (8, 2)])
def test_no_configuration_leads_outside_the_table(buckets: int, max_distance: int) -> None:
    found = relative_position_buckets(50, buckets=buckets, max_distance=max_distance)
    assert 0 <= found.min() <= found.max() < buckets


def test_a_bucket_depends_on_the_offset_alone() -> None:
    offsets = np.array([[-5, 70], [0, 3]])
    whole = relative_position_buckets(80, buckets=32, max_distance=128)
    expected = [[whole[5, 0], whole[0, 70]], [whole[9, 9], whole[2, 5]]]
    np.testing.assert_array_equal(offset_buckets(offsets, 32, 128), expected)
