from __future__ import annotations

import pytest
import torch

from studio.core.errors import TrainingError
from studio.models.torch_backend.transformer import MusicDecoder
from studio.training.workshop.pace import measure_pace, rows_that_fit
from studio.training.workshop.sizes import SIZES
from tests.training.workshop.conftest import Settings

CPU = torch.device("cpu")


def blank(size: str, device: str = "meta") -> MusicDecoder:
    """A network that takes no memory."""
    with torch.device(device):
        return MusicDecoder(SIZES[size].decoder(codebooks=4, vocabulary=64, text=False, frames=250))


def test_as_many_segments_as_fit_go_through_at_once(settings: Settings) -> None:
    def rows(size: str, **changes: object) -> int:
        chosen = settings(size=size, **changes)
        return rows_that_fit(chosen, blank(size), frames=250, rows=64, device=CPU)

    assert rows("nano", memory_gigabytes=8) == 64
    assert rows("medium", memory_gigabytes=8) < 64
    assert rows("medium", memory_gigabytes=8) < rows("medium", memory_gigabytes=16)
    assert rows("medium", memory_gigabytes=8, checkpointing=True) == 64


def test_a_size_that_does_not_fit_is_refused_with_the_ways_out(settings: Settings) -> None:
    with pytest.raises(TrainingError, match=r"large needs .* GB.*smaller size") as caught:
        rows_that_fit(
            settings(size="large", memory_gigabytes=2), blank("large"), frames=250, rows=1,
            device=CPU,
        )  # fmt: skip
    assert "\n" not in caught.value.user_message


def test_measuring_leaves_the_weights_alone(settings: Settings) -> None:
    network = blank("nano", "cpu")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pace = measure_pace(
        network, settings(precision="auto"), frames=10, text_length=0, rows=2, device=CPU
    )
    assert pace.rows == 2
    assert pace.seconds_a_step > 0
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("half", [False, True])
def test_a_number_format_that_was_decided_is_kept(settings: Settings, half: bool) -> None:
    pace = measure_pace(
        blank("nano", "cpu"), settings(), frames=10, text_length=0, rows=2, device=CPU,
        wanted=half,
    )  # fmt: skip
    assert pace.bfloat16 is half
