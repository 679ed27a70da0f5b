"""Pure functions on sound: onsets, tempo, loops, stretch. Nothing here reads a file or a model."""
