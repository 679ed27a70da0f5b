"""The window: what a producer sees and touches. The only package that imports Qt."""
