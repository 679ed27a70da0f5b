"""The MLX backend, the only place that imports mlx: for Apple silicon, and for the CPU elsewhere.

It mirrors the torch backend file by file. Nothing outside `studio.models.selection` imports from
here.
"""
