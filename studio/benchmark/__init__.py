"""How fast this machine runs a model; the work behind `studio bench`."""
