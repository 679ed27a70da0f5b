"""What a person would ask of a model.

Owns the one request that every turn makes. It imports no library that computes: a process that
is measured from its start imports this.
"""

from __future__ import annotations

from pathlib import Path

from studio.generation.loading import LoadedModel
from studio.generation.planning import plan_render
from studio.generation.request import GenerationRequest
from studio.models.backend import Condition

PROMPT = "warm dusty piano chords over brushed drums and an upright bass"
TEMPO_PROMPT = "174 bpm jungle break, dark reese bass"
GUIDANCE = 3.0
TOP_K = 250


def usual_request(folder: Path, model: LoadedModel, frames: int) -> GenerationRequest:
    """What a person would ask of this model, `frames` codec frames long."""
    prompt = PROMPT if model.template is None else TEMPO_PROMPT
    return GenerationRequest(
        prompt=prompt if model.backend.info.has_text else "",
        model=str(folder),
        max_steps=frames,
        guidance=GUIDANCE,
        top_k=TOP_K,
    )


def usual_condition(folder: Path, model: LoadedModel, frames: int) -> Condition:
    """The condition that such a request ends in, the model's own text template applied."""
    request = usual_request(folder, model, frames).checked()
    return plan_render(request, model.backend.info, model.template).condition
