"""A sound as numpy, and its files. The only user of soundfile and soxr."""
