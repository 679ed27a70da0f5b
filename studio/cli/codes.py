"""`studio codes`: sound to codec tokens and back, as files.

Owns the verb's flags and what it prints; `models.codes` owns the file's form.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cli.context import Context, print_json, say
from studio.cli.making import open_engine, opened_library, take_facts
from studio.cli.outputs import check_output
from studio.cli.stored_take import sample_take
from studio.core.errors import InputError
from studio.core.storage import one_line, shown_path

if TYPE_CHECKING:
    from studio.generation.engine import Engine


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser("codes", help="codec tokens as .npz files: encode, decode, export")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    encoding = actions.add_parser("encode", help="a sound file as codes")
    encoding.add_argument("file", type=Path, metavar="FILE", help="sound file")
    encoding.add_argument(
        "--model", default="house", metavar="NAME", help="whose codec to use (house)"
    )

    decoding = actions.add_parser("decode", help="codes as a WAV file")
    decoding.add_argument("file", type=Path, metavar="FILE", help=".npz file of codes")
    decoding.add_argument(
        "--model", metavar="NAME", help="whose codec to use (the one that the file names)"
    )

    exporting = actions.add_parser("export", help="the codes of a sample that was made here")
    exporting.add_argument("id", type=int, metavar="ID")

    for action, function in ((encoding, _encode), (decoding, _decode), (exporting, _export)):
        action.add_argument("--output", type=Path, required=True, metavar="F", help="file to write")
        action.add_argument("--json", action="store_true", help="JSON on stdout")
        action.set_defaults(run=run, function=function)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it.

    Raises:
        StudioError: A file or the model is not usable.
    """
    check_output(arguments.output)
    return int(arguments.function(arguments, context))


def _encode(arguments: argparse.Namespace, context: Context) -> int:
    from studio.generation.material import read_sound
    from studio.models.codes import save_codes

    clip = read_sound(str(arguments.file))
    engine = open_engine(context, say)
    codes = engine.encode_clip(arguments.model, clip)
    model_hash = engine.info(arguments.model).fingerprint
    save_codes(arguments.output, codes, model=arguments.model, model_hash=model_hash)
    _tell(arguments, engine, codes, arguments.model)
    return 0


def _decode(arguments: argparse.Namespace, context: Context) -> int:
    from studio.audio.clip import AudioClip
    from studio.models.codes import load_codes_and_facts

    kept, facts = load_codes_and_facts(arguments.file)
    codes = kept.array
    model = arguments.model or facts.get("model")
    if model is None:
        raise InputError(
            f"{shown_path(arguments.file)} does not say whose codes it holds; name it with --model."
        )
    engine = open_engine(context, say)
    info = engine.info(model)
    if arguments.model is None and facts.get("model_hash") != info.fingerprint:
        raise InputError(
            f"{shown_path(arguments.file)} holds codes of another {one_line(model)} than the one "
            "on this machine; name a model that shares its codec with --model."
        )
    samples = engine.decode(model, codes[None])[0]
    AudioClip(samples=samples, sample_rate=info.sample_rate).save(arguments.output)
    _tell(arguments, engine, codes, model)
    return 0


def _export(arguments: argparse.Namespace, context: Context) -> int:
    from studio.models.codes import save_codes

    with opened_library(context, wanted=True) as workstation:
        assert workstation is not None  # wanted
        take = sample_take(arguments.id, workstation)
    facts = take_facts(take.request, take.model_hash, take.length_seconds)
    save_codes(arguments.output, take.codes, **facts)
    if arguments.json:
        print_json(_facts(arguments.output, take.codes, take.request.model, take.model_hash))
    else:
        print(arguments.output)
    return 0


def _tell(
    arguments: argparse.Namespace, engine: Engine, codes: NDArray[np.int64], model: str
) -> None:
    if arguments.json:
        print_json(_facts(arguments.output, codes, model, engine.info(model).fingerprint))
    else:
        print(arguments.output)


def _facts(path: Path, codes: NDArray[np.int64], model: str, model_hash: str) -> dict[str, Any]:
    return {
        "path": str(path.absolute()),
        "codebooks": codes.shape[0],
        "frames": codes.shape[1],
        "model": model,
        "model_hash": model_hash,
    }
