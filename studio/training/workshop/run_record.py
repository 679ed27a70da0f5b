"""What a work folder is about: which run it holds.

Owns `run.json`, the comparison of the run there with the one that is asked for, and the
forgetting of a run. It reads no sound and no checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studio.core.errors import TrainingError
from studio.core.storage import shown_path, write_atomically
from studio.training.workshop.checkpoint import BEST, CURRENT, CURVE, PREVIOUS
from studio.training.workshop.plan import TrainingPlan
from studio.training.workshop.scan import Survey
from studio.training.workshop.tuning import TUNED
from studio.training.workshop.words import Caption

PREVIEWS = "previews"
_RUN = "run.json"
_DECIDED = (("total_steps", int), ("bfloat16", bool), ("rows", int), ("threads", int))


def identity(
    recipe: Mapping[str, Any], heard: Survey, captions: Sequence[Caption], codec_fingerprint: str
) -> dict[str, Any]:
    """What must be equal for a run to go on, as JSON values."""
    material = hashlib.sha256()
    for sound, caption in zip(heard.sounds, captions, strict=True):
        known = f"{sound.facts.content_hash} {sound.path} {caption.full()}\n"
        material.update(known.encode("utf-8", "replace"))
    return {"recipe": recipe, "material": material.hexdigest(), "codec": codec_fingerprint}


def known_decisions(work: Path, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the run in a work folder has decided; None without one.

    Raises:
        TrainingError: It is another run than the one of the identity `wanted`.
    """
    try:
        stored = json.loads((work / _RUN).read_text(encoding="utf-8"))
        decided, found = stored["decided"], stored["identity"]
        sound = isinstance(found, dict) and all(
            isinstance(decided[name], kind) for name, kind in _DECIDED
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not sound:
        return None
    # Through JSON, where a tuple is a list.
    if found != json.loads(json.dumps(wanted)):
        raise TrainingError(
            f"{shown_path(work)} holds a run with {_difference(found, wanted)}: give its command "
            "again, choose another folder with --work, or start anew with --fresh."
        )
    return dict(decided)


def record(work: Path, wanted: Mapping[str, Any], plan: TrainingPlan) -> None:
    """Keep what was decided.

    Raises:
        StorageError: It cannot be written.
    """
    decided = {name: getattr(plan, name) for name, _ in _DECIDED}
    content = json.dumps({"identity": wanted, "decided": decided}, indent=1)
    write_atomically(work / _RUN, content.encode())


def forget(work: Path) -> None:
    """Delete the run in a work folder; what was heard and coded stays."""
    for name in (_RUN, CURRENT, PREVIOUS, BEST, CURVE, TUNED):
        (work / name).unlink(missing_ok=True)
    for preview in (work / PREVIEWS).glob("step-*.*"):
        preview.unlink(missing_ok=True)


def _difference(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    before, now = known.get("recipe", {}), wanted["recipe"]
    for name, value in now.items():
        if name not in before or before[name] != json.loads(json.dumps(value)):
            was = before.get(name)
            return f"another {name.replace('_', ' ')} ({was}, not {value})"
    return "other sounds" if known.get("codec") == wanted["codec"] else "another codec"
