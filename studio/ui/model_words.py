"""The words that a model was taught.

Owns finding the text template of a model that is on this machine, for the hint under the prompt.
It loads no weights.
"""

from __future__ import annotations

from pathlib import Path

from studio.models.bundle import open_bundle
from studio.models.catalog import HOUSE, resolve_model
from studio.models.prompting import PromptTemplate


def read_template(model: str) -> PromptTemplate | None:
    """The template of the embedded model or of a folder; None for a model that takes any words.

    Raises:
        ModelError: The model is broken; Generate reports that.
    """
    if model != HOUSE and not Path(model).expanduser().is_dir():
        return None
    prompting = open_bundle(resolve_model(model)).prompting
    return None if prompting is None else PromptTemplate.from_dict(prompting)
