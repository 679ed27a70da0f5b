"""The page that says of a published model what it was made from and how.

Owns the wording of a `README.md` in the form that Hugging Face's Hub shows. It states what it is
given and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.core.storage import one_line

CARD = "README.md"
NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known about a model.

    Attributes:
        about: A sentence or two.
        data: What it was trained on, by what a reader asks.
        recipe: How, by the name of each choice.
        measures: What was measured, by the name of each figure.
        licence: Of the weights: an SPDX identifier; "" where nobody chose one.
        base: The model that it goes on from; "" for none.
        library: What opens it, in the Hub's words.
    """

    about: str
    data: Mapping[str, object] = field(default_factory=dict)
    recipe: Mapping[str, object] = field(default_factory=dict)
    measures: Mapping[str, object] = field(default_factory=dict)
    licence: str = ""
    base: str = ""
    library: str = "transformers"

    def text(self, name: str) -> str:
        """The whole page, in Markdown.

        Args:
            name: Of the model.
        """
        facts = {"library_name": self.library, "pipeline_tag": "text-to-audio"}
        if self.licence:
            facts["license"] = self.licence.lower()
        if self.base:
            facts["base_model"] = self.base
        header = [f"{key}: {_quoted(value)}" for key, value in facts.items()]
        parts = ["\n".join(["---", *header, "tags:", "- musicgen", "---"])]
        parts += [f"# {_shown(name)}", _shown(self.about)]
        sections = {"Data": self.data, "Recipe": self.recipe, "Measures": self.measures}
        for title, rows in sections.items():
            if rows:
                parts.append(f"## {title}\n\n" + _table(rows))
        parts.append(f"## Licence\n\nOf the weights: {_shown(self.licence or NOT_STATED)}.")
        return "\n\n".join(parts) + "\n"


def _table(rows: Mapping[str, object]) -> str:
    lines = ["| | |", "|---|---|"]
    lines += [f"| {_shown(name)} | {_shown(value)} |" for name, value in rows.items()]
    return "\n".join(lines)


def _shown(value: object) -> str:
    """A value as one line of text that neither ends a table's cell nor makes a link or a tag."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = one_line(" ".join(text.split()))
    for mark in "\\|<[`":
        text = text.replace(mark, f"\\{mark}")
    return text


def _quoted(value: str) -> str:
    plain = one_line(" ".join(value.split()))
    return "'" + plain.replace("'", "''") + "'"
