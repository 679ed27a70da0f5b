"""How many processor threads a model computes with.

Owns that one choice.
"""

from __future__ import annotations

import torch

SMALL_PARAMETERS = 50_000_000
_ALL = torch.get_num_threads()


def use_threads(parameters: int) -> None:
    """Give a small model one thread, others all that this process was given.

    A step of a small model is over before a second thread has woken up, and on a busy machine
    threads that wait for each other are far slower: the embedded model's two bars took 0.57 s
    on one thread and 1.8 s on two, on two cores with another program at work.
    """
    torch.set_num_threads(1 if parameters < SMALL_PARAMETERS else _ALL)
