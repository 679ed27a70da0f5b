"""Sound leaves the program here: the player and the device beneath it.

Owns the only use of sounddevice and rtmixer. It knows clips, not takes, files or windows.
"""
