"""Seedcrate: loops from MusicGen-family models, on your own machine."""
