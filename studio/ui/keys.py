"""Every key of the window, once.

Owns the table that the shortcuts, the tooltips, the F1 overlay and the manual are made from. It
must not know what a key does, only what it is called.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Key:
    """One thing a key does.

    Attributes:
        action: Stable identifier, such as "play".
        sequences: Qt key sequences that trigger it, the usual one first.
        meaning: What it does, as a person reads it.
        group: Heading in the overlay and the manual.
        shown: How the key is written; the first sequence when empty.
        scope: "window" works everywhere outside text fields; "place" is handled by the widget
            named in `group` while it has the focus, without a window-wide shortcut.
    """

    action: str
    sequences: tuple[str, ...]
    meaning: str
    group: str
    shown: str = ""
    scope: str = "window"

    @property
    def label(self) -> str:
        """The key as written in tooltips and lists."""
        return self.shown or " or ".join(self.sequences)


KEYS: tuple[Key, ...] = (
    Key(
        action="play",
        sequences=("Space",),
        meaning="Play or stop the sound in the waveform",
        group="Sound",
    ),
    Key(
        action="panic",
        sequences=("Esc",),
        meaning="Stop all sound at once; close what is open on top",
        group="Sound",
    ),
    Key(action="loop", sequences=("L",), meaning="Loop on or off", group="Sound"),
    Key(
        action="generate",
        sequences=("G",),
        meaning="Generate with the settings on the right",
        group="Generate",
    ),
    Key(
        action="generate_again",
        sequences=("Shift+G",),
        meaning="Generate with the same settings and a new seed",
        group="Generate",
    ),
    Key(
        action="extend",
        sequences=("E",),
        meaning="Extend the take in the waveform: twice as long, beginning with it",
        group="Generate",
    ),
    Key(
        action="regenerate",
        sequences=("A",),
        meaning="Make the selected part of the take anew, as another take",
        group="Generate",
    ),
    Key(
        action="models",
        sequences=("Ctrl+M",),
        meaning="Get, add, choose and remove models",
        group="Generate",
    ),
    Key(
        action="train",
        sequences=("Ctrl+T",),
        meaning="Train a model of your own on a folder of sounds",
        group="Generate",
    ),
    Key(
        action="seedbanks",
        sequences=("Ctrl+B",),
        meaning="Hear the seed banks and take from them",
        group="Generate",
    ),
    Key(
        action="submit_prompt",
        sequences=("Return",),
        meaning="Generate, while typing a prompt (Shift+Enter starts a new line)",
        group="Generate",
        shown="Enter",
        scope="place",
    ),
    Key(
        action="next_previous",
        sequences=("Down", "Up"),
        meaning="Next or previous sound, heard at once",
        group="Library",
        shown="Up, Down",
        scope="place",
    ),
    Key(
        action="load",
        sequences=("Return",),
        meaning="Load the sound into the waveform and play it",
        group="Library",
        shown="Enter",
        scope="place",
    ),
    Key(
        action="search",
        sequences=("Ctrl+F", "/"),
        meaning="Search the library",
        group="Library",
    ),
    Key(
        action="favourite",
        sequences=("F",),
        meaning="Favourite on or off for the selected sounds",
        group="Library",
    ),
    Key(
        action="rate",
        sequences=("1", "2", "3", "4", "5", "0"),
        meaning="Rate the selected sounds; 0 clears the rating",
        group="Library",
        shown="1 to 5, 0",
    ),
    Key(
        action="tag",
        sequences=("T",),
        meaning="Edit the tags of the selected sounds, separated by commas",
        group="Library",
    ),
    Key(
        action="delete",
        sequences=("Del",),
        meaning="Move the selected sounds to the bin, where they stay for 30 days",
        group="Library",
        shown="Delete",
    ),
    Key(action="undo", sequences=("Ctrl+Z",), meaning="Undo the last change", group="Library"),
    Key(
        action="redo",
        sequences=("Ctrl+Shift+Z",),
        meaning="Redo what was undone",
        group="Library",
    ),
    Key(
        action="select_all",
        sequences=("Ctrl+A",),
        meaning="Select every listed sound",
        group="Library",
        scope="place",
    ),
    Key(
        action="import",
        sequences=("Ctrl+I",),
        meaning="Import audio files into the library",
        group="Library",
    ),
    Key(
        action="zoom_selection",
        sequences=("Z",),
        meaning="Zoom to the selection; again to see the whole sound",
        group="Waveform",
    ),
    Key(
        action="copy_file",
        sequences=("Ctrl+C",),
        meaning="Copy the selected sounds as files, to paste into another program",
        group="Take away",
    ),
    Key(
        action="export",
        sequences=("Ctrl+E",),
        meaning="Export the selected sounds to a folder",
        group="Take away",
    ),
    Key(
        action="zone_browser",
        sequences=("Ctrl+1",),
        meaning="Go to the search box and tags",
        group="Window",
    ),
    Key(
        action="zone_waveform",
        sequences=("Ctrl+2",),
        meaning="Go to the waveform",
        group="Window",
    ),
    Key(
        action="zone_library",
        sequences=("Ctrl+3",),
        meaning="Go to the library table",
        group="Window",
    ),
    Key(
        action="zone_generate",
        sequences=("Ctrl+4",),
        meaning="Go to the prompt",
        group="Window",
    ),
    Key(action="help", sequences=("F1",), meaning="Show or hide this list", group="Window"),
    Key(action="quit", sequences=("Ctrl+Q",), meaning="Quit", group="Window"),
)

MOUSE: tuple[tuple[str, str, str], ...] = (
    ("Waveform", "Wheel", "Zoom at the pointer"),
    ("Waveform", "Shift+Wheel", "Scroll along the sound"),
    ("Waveform", "Drag", "Select a stretch; it becomes the loop"),
    ("Waveform", "Click", "Play from there; clears the selection"),
    ("Waveform", "Right-click", "What can be done with the sound"),
    ("Take away", "Drag a row", "Drag the file into another program, with all selected with it"),
    ("Take away", "Drag the handle", "Drag the sound of the waveform into another program"),
)

_BY_ACTION = {key.action: key for key in KEYS}


def key_for(action: str) -> Key:
    """The key of an action.

    Raises:
        KeyError: No key has that action.
    """
    return _BY_ACTION[action]


def tooltip(text: str, action: str) -> str:
    """`text` with the key of `action` behind it."""
    return f"{text}  ({key_for(action).label})"
