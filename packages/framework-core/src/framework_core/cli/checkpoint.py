"""The commands ``fw checkpoint inspect``, ``consolidate`` and ``convert``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.checkpoints.content import Content

app = typer.Typer(
    help="Look into checkpoints, and make one kind of another.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
CHECKPOINT = typer.Argument(..., help="A file or folder, or a run: its newest checkpoint.")
OUTPUT = typer.Option(..., "--output", "-o", help="What to write; it must not be there.")
JSON = typer.Option(False, "--json", help="Print the result as JSON.")


class Whole(str, Enum):
    """The kinds that a training goes on from, whatever it is spread over."""

    framework = "framework"
    lightning = "lightning"


@app.command("inspect")
def inspect(
    checkpoint: str = CHECKPOINT,
    keys: bool = typer.Option(False, "--keys", help="Show every weight."),
    as_json: bool = JSON,
) -> None:
    """Say what is in a checkpoint of this framework, Lightning, torch, FSDP or DeepSpeed. Runs no code of its."""
    _library()
    from framework_core.checkpoints.reading import place_of, read_content
    from framework_core.cli.screen import print_json, print_table

    content = read_content(place_of(checkpoint))
    if as_json:
        weights = {name: {"shape": each.shape, "dtype": each.dtype} for name, each in content.weights.items()}
        print_json({**_facts(content), "weights": weights})
        return
    _print(content)
    if keys:
        rows = [
            [name, "x".join(map(str, each.shape)) or "scalar", each.dtype] for name, each in content.weights.items()
        ]
        print()
        print_table(rows, ["weight", "shape", "dtype"])


@app.command("consolidate")
def consolidate(checkpoint: str = CHECKPOINT, output: Path = OUTPUT, as_json: bool = JSON) -> None:
    """Put the weights of any checkpoint, sharded or not, into one safetensors file by the names that the model has."""
    _library()
    from framework_core.checkpoints.conversion import consolidate as write
    from framework_core.checkpoints.reading import place_of

    _told(write(place_of(checkpoint), output), as_json)


@app.command("convert")
def convert(
    checkpoint: str = CHECKPOINT,
    to: Whole = typer.Option(..., "--to", help="framework or lightning."),
    output: Path = OUTPUT,
    as_json: bool = JSON,
) -> None:
    """Make a checkpoint of another kind, from which training goes on: weights, optimizer and all else.

    Shards that Lightning's FSDP strategies wrote become whole, for any number of devices.
    """
    _library()
    from framework_core.checkpoints.conversion import convert as write
    from framework_core.checkpoints.reading import place_of

    _told(write(place_of(checkpoint), to.value, output), as_json)


def _library() -> None:
    from framework_core.cli.training import training_library

    training_library("fw checkpoint")


def _told(content: Content, as_json: bool) -> None:
    from framework_core.cli.screen import print_json

    if as_json:
        print_json(_facts(content))
    else:
        _print(content)


def _facts(content: Content) -> dict[str, Any]:
    return {
        "path": str(content.path),
        "kind": content.kind,
        "detail": content.detail,
        "epoch": content.epoch,
        "step": content.step,
        "tensors": len(content.weights),
        "numbers": content.numbers,
        "dtypes": list(content.dtypes),
        "bytes": content.size,
        "processes": content.world_size,
        "rest": list(content.rest),
    }


def _print(content: Content) -> None:
    from framework_core.cli.screen import print_facts

    kind = f"{content.kind}, {content.detail}" if content.detail else content.kind
    print_facts(
        [
            ("path", str(content.path)),
            ("kind", kind),
            ("step", "" if content.step is None else f"{content.step:,}"),
            ("epoch", "" if content.epoch is None else str(content.epoch)),
            ("weights", f"{len(content.weights):,} tensors, {content.numbers:,} numbers, {', '.join(content.dtypes)}"),
            ("size", f"{content.size:,} bytes"),
            ("processes", str(content.world_size)),
            ("besides", ", ".join(content.rest)),
            ("names", ", ".join([*list(content.weights)[:3], *(["..."] if len(content.weights) > 3 else [])])),
        ]
    )
