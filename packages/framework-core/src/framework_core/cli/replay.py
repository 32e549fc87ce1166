"""The command ``fw replay``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.training.replay import ReplayedStep


def replay(
    run: str = typer.Argument(..., help="A run: its id, the beginning of it, its name, its folder, or 'last'."),
    step: int = typer.Option(..., "--step", min=1, help="The optimizer step, from 1."),
    output_dir: Path = typer.Option(Path("runs"), "--output-dir", help="The folder of runs."),
    as_json: bool = typer.Option(False, "--json", help="Print the step as JSON."),
) -> None:
    """Make one training step of a run once more, bit for bit, and look at it. Nothing is written.

    It begins at the nearest checkpoint before the step, and compares the loss with the recorded one.
    """
    from framework_core.cli.screen import note, print_facts, print_json
    from framework_core.cli.training import training_library

    found = training_library("fw replay").replay(run, step, output_dir=output_dir)
    if as_json:
        print_json(_plain(found))
        return
    print_facts(_facts(found))
    note(_verdict(found))


def _facts(found: ReplayedStep) -> list[tuple[str, str]]:
    facts = [
        ("step", f"{found.step}  (epoch {found.epoch + 1}, from the checkpoint of step {found.start})"),
        ("loss", f"{found.loss:.9g}"),
        ("lr", ", ".join(f"{rate:.6g}" for rate in found.lr)),
    ]
    for batch, samples in zip(found.batches, found.samples, strict=True):
        facts.append((f"batch {batch}", f"samples {', '.join(map(str, samples))}" if samples else "samples unknown"))
    facts += [(f"gradient {name}", f"{norm:.6g}") for name, norm in found.gradients.items()]
    facts.append(("not finite", found.origin))
    return facts


def _verdict(found: ReplayedStep) -> str:
    if found.same is None:
        return "The run recorded no loss of this step alone: trainer.log_every_n_steps=1 lets it."
    if found.same:
        return "The loss is the recorded one, bit for bit."
    return f"The loss is not the recorded one, {found.recorded:.9g}: code, data, packages or machine have changed."


def _plain(found: ReplayedStep) -> dict[str, Any]:
    return {**vars(found), "loss": found.loss, "same": found.same}
