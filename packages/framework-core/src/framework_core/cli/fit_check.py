"""The command ``fw fit-check``."""

from __future__ import annotations

from pathlib import Path

import typer

from framework_core.cli.find import CONFIG, DATASET, MODEL, SETTINGS


def fit_check(
    overrides: list[str] = SETTINGS,
    model: str = MODEL,
    dataset: str = DATASET,
    config: Path | None = CONFIG,
    devices: str = typer.Option("", "--devices", help="What there is to train on: '8 x 24GiB'."),
    as_json: bool = typer.Option(False, "--json", help="Print what was found as JSON."),
) -> None:
    """Predict the memory that training takes, before it waits for a GPU. Nothing is written.

    Nothing is computed either, but for a few steps of a model that looks at numbers on the way.

    With --devices, the memory of each of them, the largest batch, and the simplest strategy that fits.
    """
    from framework_core.cli.screen import note, print_facts, print_json, print_table
    from framework_core.cli.training import training_library
    from framework_core.config.compose import compose

    run = training_library("fw fit-check")
    from framework_core.training.fitting import USABLE, devices_of

    there = devices_of(devices) if devices else None
    settings = compose(overrides or [], model=model, dataset=dataset, config_file=config).config
    found = run.fit_check(settings, there)
    one = found.footprint
    if as_json:
        fits = [vars(each) for each in found.fits]
        whole = {**vars(one), "rest": one.rest}
        print_json({"one_device": whole, "strategies": fits, "advice": found.advice, "tried": found.tried})
        return
    if found.tried:
        note(f"Real steps were taken on this machine, as the model looks at numbers on the way: {found.tried}")
    parts = ("weights", "gradients", "optimizer", "rest", "peak")
    facts = [("batch", f"{one.batch_size} samples on one device")]
    print_facts([*facts, *((name, _size(getattr(one, name))) for name in parts)])
    if there is None:
        note("See what fits: --devices '8 x 24GiB'")
        return
    print()
    rows = [[each.strategy, _size(each.peak), str(each.largest)] for each in found.fits]
    print_table(rows, ["strategy", "peak of each", "largest batch"])
    note(f"Planned with {USABLE:.0%} of the memory; strategies on several devices are reckoned, not measured.")
    if found.advice:
        note(f"The simplest that fits: {found.advice}")
    else:
        note("A batch of this size does not fit. Smaller: dataset.batch_size=N")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
