"""The window: what a producer sees and touches. The only package that imports Qt."""

from studio.ui.pyside_guard import guard_singletons

guard_singletons()
