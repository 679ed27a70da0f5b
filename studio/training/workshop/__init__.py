"""Training a small model of one's own on a folder of sounds.

Everything a face of the program needs is in `session`, `settings` and `events`; no Qt here.
"""
