"""A model comes from a Hub into the window, by hand; before that nobody is asked anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.end_to_end.steps import press_generate
from tests.generation.tiny_bundle import write_tiny_bundle
from tests.models.hub_server import HubServer, running_hub
from tests.playback.sound_card import NullSoundCard

pytestmark = pytest.mark.end_to_end

SMALL = "facebook/musicgen-small"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """A Hub with a tiny model under a published name, which it sends slowly."""
    with running_hub() as server:
        bundle = write_tiny_bundle(tmp_path / "tiny")
        server.publish(SMALL, bundle, licence="cc-by-nc-4.0")
        yield server


@pytest.fixture
def connected_studio(
    tmp_path: Path, screen: Screen, null_sound_card: NullSoundCard, hub: HubServer
) -> Iterator[Studio]:
    """A library with a sound card whose Hub is the one of the test, no window yet."""
    studio = Studio(tmp_path, screen, {**null_sound_card.environment, "HF_ENDPOINT": hub.url})
    yield studio
    studio.end()


def test_a_model_is_got_used_and_removed(
    connected_studio: Studio, screen: Screen, hub: HubServer, photograph: Callable[[str], None]
) -> None:
    studio = connected_studio
    studio.open()
    screen.click(studio.place("play_new_check"))
    screen.key("ctrl+m")
    studio.place("models_table")
    screen.key("Down")
    assert hub.asked == []

    # Declined: still nobody was asked anything. Accepted: it comes.
    screen.click(studio.place("models_get_button"))
    screen.click(studio.place("licence_decline_button"))
    studio.wait_for(lambda: "licence_dialog" not in studio.widgets(), "the end of the question")
    assert hub.asked == []
    hub.seconds_per_piece = 0.3
    screen.click(studio.place("models_get_button"))
    photograph("1-licence")
    screen.click(studio.place("licence_accept_button"))
    studio.wait_for(lambda: f"download_row:{SMALL}" in studio.widgets(), "the download")
    photograph("2-coming")
    studio.wait_for(lambda: f"download_row:{SMALL}" not in studio.widgets(), "the model")
    assert "model.safetensors" in hub.files_asked()
    photograph("3-here")

    # It makes a take.
    screen.click(studio.place("models_use_button"))
    studio.wait_for(lambda: "models_dialog" not in studio.widgets(), "the window")
    press_generate(studio, screen)
    studio.wait_for(lambda: studio.status()["rows"] == 1, "a take of the new model")
    (row,) = studio.rows()
    assert row["model"] == SMALL
    assert studio.status()["banner"] is None

    # Without a Hub, getting another one is a banner and nothing else.
    hub.status = 503
    screen.key("ctrl+m")
    studio.place("models_table")
    screen.key("Down", "Down")
    screen.click(studio.place("models_get_button"))
    screen.click(studio.place("licence_accept_button"))
    studio.wait_for(lambda: "models_banner" in studio.widgets(), "the banner")
    photograph("4-no-hub")

    # Removed, it is gone from the disk.
    blobs = list((studio.data_dir.parent / "home" / ".cache" / "huggingface").rglob("blobs/*"))
    assert blobs
    screen.click(studio.place("models_table"))
    screen.key("ctrl+Home", "Down")
    screen.click(studio.place("models_remove_button"))
    photograph("5-remove")
    screen.click(studio.place("models_remove_confirm_button"))
    studio.wait_for(lambda: not any(blob.exists() for blob in blobs), "the removal")
    photograph("6-removed")
    screen.click(studio.place("models_close_button"))
    screen.click(studio.place("search_box"))
    assert studio.quit() == 0
