"""The commands ``fw verify resume``, ``fw verify scale`` and ``fw verify parity``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from framework_core.cli.find import CONFIG, DATASET, MODEL, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework_core.contracts.config import RunConfig
    from framework_core.verification.resume import Proof

app = typer.Typer(
    help="Prove a promise for a model and data of one's own.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("resume")
def resume(
    overrides: list[str] = SETTINGS,
    model: str = MODEL,
    dataset: str = DATASET,
    config: Path | None = CONFIG,
    as_json: bool = typer.Option(False, "--json", help="Print what was found as JSON."),
) -> None:
    """Train once without a stop, and once killed and continued; compare every step. Nothing is left behind."""
    from framework_core.cli.screen import note, print_json
    from framework_core.cli.training import training_library

    training_library("fw verify resume")
    from framework_core.verification.resume import SMALL, verify_resume

    composed = _composed(SMALL, overrides or [], model, dataset, config)
    note("Training without a stop, and again with three times SIGKILL: five processes.")
    proof = verify_resume(composed)
    print_json(_plain(proof)) if as_json else _print(proof)
    raise typer.Exit(0 if proof.equal else 1)


def _composed(small: Sequence[str], words: list[str], model: str, dataset: str, config: Path | None) -> RunConfig:
    """The settings of a proof: those that make it small, unless others were asked for."""
    from framework_core.config.compose import compose
    from framework_core.config.project import settings_file_here

    asked = {word.lstrip("+").partition("=")[0] for word in words}
    kept = [word for word in small if word.partition("=")[0] not in asked]
    here = None if config else settings_file_here(words, model=model)
    return compose([*kept, *words], model=model, dataset=dataset, config_file=config or here).config


def _print(proof: Proof) -> None:
    from framework_core.cli.screen import print_facts, print_table

    rows = [[f"batch {kill.batches}", kill.continued_from] for kill in proof.kills]
    print_table(rows, ["killed after", "went on from"])
    if proof.difference is None:
        print_facts([("equal", f"{proof.steps} steps: samples, data, random numbers, weights, loss, metrics")])
        return
    found = proof.difference
    print_facts([("first difference", found.where), ("what", found.what), ("likely cause", found.cause)])


def _plain(proof: Proof) -> dict[str, object]:
    found = proof.difference
    return {
        "equal": proof.equal,
        "steps": proof.steps,
        "kills": [vars(kill) for kill in proof.kills],
        "difference": vars(found) if found else None,
    }


@app.command("scale")
def scale(
    overrides: list[str] = SETTINGS,
    model: str = MODEL,
    dataset: str = DATASET,
    config: Path | None = CONFIG,
    devices: str = typer.Option("1,2,4", "--devices", metavar="N,N...", help="How many processes train together."),
    as_json: bool = typer.Option(False, "--json", help="Print what was found as JSON."),
) -> None:
    """Train with one process and with several; compare samples and loss of every step. Nothing is left behind."""
    from dataclasses import asdict

    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.cli.training import training_library
    from framework_core.errors import OptionValueError

    counts = [int(each) if each.strip().isdigit() else 0 for each in devices.split(",")]
    if not all(counts):
        raise OptionValueError("fw verify scale", "--devices", devices, cause="it takes numbers: 1,2,4")
    training_library("fw verify scale")
    from framework_core.verification.scale import SMALL, verify_scale

    composed = _composed(SMALL, overrides or [], model, dataset, config)
    note(f"Training with {', '.join(map(str, counts))} processes, on processors unless trainer.accelerator says more.")
    found = verify_scale(composed, processes=counts)
    if as_json:
        print_json([asdict(each) | {"same": each.same} for each in found])
    else:
        rows = [
            [
                str(each.processes),
                "same" if each.same else "other",
                str(each.steps),
                f"{each.apart:.1e}",
                f"{each.first}: {each.why}" if each.first else "",
            ]
            for each in found
        ]
        print_table(rows, ["processes", "training", "steps", "loss apart", "first difference"])
    raise typer.Exit(0 if all(each.same for each in found) else 1)


@app.command("parity")
def parity(
    run: str = typer.Argument(..., help="A run: its id, the beginning of it, its name, its folder, or 'last'."),
    to: list[str] = typer.Option([], "--to", metavar="WAY", help="A format of fw export, or http; all of them."),
    as_json: bool = typer.Option(False, "--json", help="Print what was found as JSON."),
) -> None:
    """See that a model says the same by every way in which it can answer, from the file on; kept with the run."""
    from dataclasses import asdict

    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.cli.training import training_library
    from framework_core.errors import UnknownNameError

    training_library("fw verify parity")
    from framework_core.deployment.parity import CERTIFICATE, FORMATS, HTTP, verify_parity

    known = (*FORMATS, HTTP)
    for name in to:
        if name not in known:
            raise UnknownNameError("way", name, known)
    certificate = verify_parity(run, ways=to or known)
    if as_json:
        print_json(asdict(certificate))
    else:
        rows = [
            [
                way.name,
                "same" if way.passed else "other",
                f"{way.files} files" if way.files else f"{way.samples} inputs",
                f"{way.difference:.1e} of {way.tolerance:g}" if way.passed else way.why,
            ]
            for way in certificate.ways
        ]
        print_table(rows, ["way", "answers", "compared", "apart"])
        note(f"Kept with the run as {CERTIFICATE}.")
    raise typer.Exit(0 if certificate.passed else 1)
