"""`studio generate`: takes from prompts.

Owns the verb's flags and how they become requests; `making` makes and keeps the takes.
"""

from __future__ import annotations

import argparse
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.cli.context import Context
from studio.cli.making import add_making_flags, check_target, make_all, opened_library
from studio.cli.prompts import read_prompts
from studio.core.errors import InputError
from studio.core.storage import shown_path
from studio.generation.request import FREE_SEEDS, GenerationRequest
from studio.models.selection import PRECISIONS

MAX_TAKES = 10_000


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "generate",
        help="make takes from a prompt",
        description="Make takes from a prompt. They go into the library, and into a WAV file "
        "where one is named.",
    )
    add_flags(parser)
    parser.set_defaults(run=run)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags, those of `musicgen-cli` as well."""
    prompts = parser.add_mutually_exclusive_group(required=True)
    prompts.add_argument("--prompt", metavar="TEXT", help="what it shall sound like")
    prompts.add_argument(
        "--from-file", type=Path, metavar="F", help="text file with a prompt on each line"
    )
    parser.add_argument("--negative", default="", metavar="TEXT", help="what to lead away from")
    parser.add_argument("--model", default="house", metavar="NAME", help="name or model folder")
    parser.add_argument(
        "--adapter",
        dest="adapters",
        action="append",
        type=adapter_use,
        default=[],
        metavar="NAME[:S]",
        help="adapter that changes the model, and how much (1); several add up",
    )
    parser.add_argument("--bpm", type=float, metavar="N", help="tempo, 60 to 200")
    parser.add_argument("--bars", type=int, metavar="N", help="length of the loop in bars, 1 to 64")
    parser.add_argument("--key", metavar="KEY", help="key such as Am, F#m or C")
    parser.add_argument("--duration", type=float, metavar="S", help="length in seconds, no loop")
    parser.add_argument("--max-steps", type=int, metavar="N", help="length in codec frames")
    parser.add_argument(
        "--melody", metavar="FILE", help="sound whose melody a melody model follows"
    )
    parser.add_argument(
        "--continue", dest="continue_file", metavar="FILE", help="sound that the take begins with"
    )
    parser.add_argument(
        "--continue-seconds", type=float, metavar="S", help="how much of that sound's end to take"
    )
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest codes")
    parser.add_argument("--top-p", type=float, metavar="P", help="draw from this probability mass")
    parser.add_argument("--temperature", type=float, metavar="T", help="above 1 is wilder")
    parser.add_argument("--guidance", type=float, metavar="G", help="weight of the prompt")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="format of the weights; fewer bits are faster",
    )
    add_making_flags(parser)


def adapter_use(text: str) -> tuple[str, float]:
    """`NAME` or `NAME:STRENGTH`; what follows a last colon and is no number belongs to the name."""
    name, colon, strength = text.rpartition(":")
    try:
        return (name, float(strength)) if colon else (text, 1.0)
    except ValueError:
        return text, 1.0


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it.

    Raises:
        StudioError: See `make_all`.
    """
    requests = _requests(arguments)
    check_target(arguments, len(requests))
    with opened_library(context, wanted=not arguments.no_library) as workstation:
        make_all(requests, arguments, context, workstation)
    return 0


def _requests(arguments: argparse.Namespace) -> list[GenerationRequest]:
    """Every take of the run, known to be possible as far as that needs no model."""
    listed: list[tuple[int | None, str]] = [(None, arguments.prompt)]
    if arguments.from_file is not None:
        listed = list(read_prompts(arguments.from_file))
    if len(listed) * arguments.count > MAX_TAKES:
        raise InputError(
            f"{len(listed)} prompts of {arguments.count} takes each are too many; "
            f"{MAX_TAKES} takes are the most of one run."
        )
    plain = _without_prompt(arguments)
    requests: list[GenerationRequest] = []
    for line, prompt in listed:
        try:
            request = replace(plain, prompt=prompt)
            request.named_tempo_bpm()
            requests += request.seeds(arguments.count)
        except InputError as error:
            if line is None:
                raise
            place = f"{shown_path(arguments.from_file)}, line {line}"
            raise InputError(f"{place}: {error.user_message}") from error
    return requests


def _without_prompt(arguments: argparse.Namespace) -> GenerationRequest:
    """What holds for every prompt, its sound files read once."""
    request = GenerationRequest(
        prompt="",
        negative=arguments.negative,
        model=arguments.model,
        seed=secrets.randbelow(FREE_SEEDS) if arguments.seed is None else arguments.seed,
        tempo_bpm=arguments.bpm,
        bars=arguments.bars,
        key=arguments.key,
        duration_seconds=arguments.duration,
        max_steps=arguments.max_steps,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
        temperature=arguments.temperature,
        guidance=arguments.guidance,
        precision=arguments.precision,
        adapters=tuple(arguments.adapters),
        melody_file=arguments.melody,
        continue_file=arguments.continue_file,
        continue_seconds=arguments.continue_seconds,
    ).checked()
    if request.melody_file is None and request.continue_file is None:
        return request
    from studio.generation.material import read_sound, with_melody

    if request.continue_file is not None:
        # The engine reads it when it knows the model; a fault is better known before.
        read_sound(request.continue_file)
    return with_melody(request)
