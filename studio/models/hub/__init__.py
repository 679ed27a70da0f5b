"""Fetching models from the Hub, when a person asks for it; `download` is the way in."""
