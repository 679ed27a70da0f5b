"""Networks, checkpoints and the backends that run them.

Owns everything between a checkpoint folder on disk and streams of codes and audio. It knows
nothing of takes, libraries or windows. The only door to a backend is `selection.load_backend`.
"""
