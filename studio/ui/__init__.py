"""The window: what a producer sees and touches. The only package that imports Qt."""

from studio.ui.none_guard import guard_none

guard_none()
