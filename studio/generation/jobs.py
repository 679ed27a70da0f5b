"""What others see of the work in the engine: jobs, their states, their progress.

Owns the values that travel up from the generation thread. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from studio.core.errors import StudioError
from studio.generation.request import Chunk, GenerationRequest, Take

JobState = Literal["queued", "loading", "running", "saving", "done", "failed", "cancelled"]
FINAL_STATES: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Progress:
    """One step forward of one job, told to its listener.

    Attributes:
        job_id: The job.
        state: "queued" -> "loading" (the model is being read) -> "running" -> "saving" (only
            when the take goes to the library) -> "done", "failed" or "cancelled".
        done_steps: Codec frames made so far.
        total_steps: Codec frames needed; 0 while unknown.
        chunk: Audio that became final with this step, else None.
        error: Why the job failed, else None.
    """

    job_id: int
    state: JobState
    done_steps: int = 0
    total_steps: int = 0
    chunk: Chunk | None = None
    error: StudioError | None = None


Listener = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as the queue shows it at one moment.

    Attributes:
        id: Number of the job, counting up from 1.
        request: What was asked.
        state: Where it stands.
        done_steps: Codec frames made so far.
        total_steps: Codec frames needed; 0 while unknown.
    """

    id: int
    request: GenerationRequest
    state: JobState
    done_steps: int
    total_steps: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One request in the hands of the worker.

    Attributes:
        id: Number of the job, counting up from 1.
        request: What was asked.
        future: The take, or a `StudioError`; `CancelledError` after `cancel`.
    """

    id: int
    request: GenerationRequest
    future: Future[Take] = field(default_factory=Future)
    on_cancel: Callable[[int], None]

    def cancel(self) -> None:
        """Stop: at once while it waits, within one decoder step while it runs."""
        self.on_cancel(self.id)
