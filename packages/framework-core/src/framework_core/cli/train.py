"""The command ``fw train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from framework_core.process import is_main_process

if TYPE_CHECKING:
    from pydantic import BaseModel

    from framework_core.config.compose import Composition
    from framework_core.contracts.config import RunConfig
    from framework_core.contracts.run import RunResult
    from framework_core.model_registry import Version
    from framework_core.tracking.run_group import RunGroup


def train(
    overrides: list[str] = typer.Argument(
        None,
        metavar="[KEY=VALUE]...",
        help="Settings: trainer.max_epochs=3, optimizer=sgd, +experiment=NAME.",
    ),
    model: str = typer.Option("", "--model", "-m", help="A name (fw list models), file.py:Class or module:Class."),
    dataset: str = typer.Option(
        "", "--dataset", "-d", help="A name (fw list datasets), file.py:Class or module:Class."
    ),
    config: Path | None = typer.Option(
        None, "--config", "-c", help="A settings file; a run's own config.yaml repeats it."
    ),
    config_dir: Path | None = typer.Option(
        None, "--config-dir", help="A folder of config groups of your own (default: configs)."
    ),
    resume: str = typer.Option(
        "", "--resume", metavar="RUN", help="Continue a run from its newest checkpoint; auto: whatever did not end."
    ),
    each: list[str] = typer.Option(
        None, "--each", metavar="KEY=V1,V2...", help="A run for each value, and their mean: dataset.fold=1,2,3."
    ),
    register: str = typer.Option(
        "", "--register", metavar="NAME", help="Register the trained model as the next version of NAME."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything with one batch; write nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Train a model, and record the run.

    Without --dataset the model's domain chooses data that comes with it. Without a model and --config the settings
    are those of config.yaml in this folder.
    """
    from framework_core.cli.screen import note
    from framework_core.cli.training import training_library
    from framework_core.config.project import settings_file_here, taken_from
    from framework_core.config.several import compose_each
    from framework_core.errors import FrameworkError

    words = overrides or []
    if each:
        _check_each(resume, dry_run)
    named = resume not in ("", "auto")
    if named:
        config = _config_of(resume, config, words)
    here = None if config else settings_file_here(words, model=model)
    try:
        how: dict[str, Any] = {
            "model": model,
            "dataset": dataset,
            "config_file": config or here,
            "config_dir": config_dir,
        }
        variants = compose_each(each or [], words, **how)
    except FrameworkError:
        if here:
            note(taken_from(here))
        raise
    composition = variants[0].composition
    if register:
        _check_register(register, composition.config, each=bool(each), dry_run=dry_run)
    if not named:
        _say_choices(composition, here)

    run = training_library("fw train")
    if each:
        from framework_core.each import train_each

        _print_group(train_each(variants, resume=resume == "auto"), as_json)
        return
    if dry_run:
        run.dry_run(composition.config)
        note("Everything fits; nothing was written.")
        return
    result = run.train(composition.config, resume=resume or None)
    if is_main_process():
        registered = None
        try:
            registered = _registered(result, register) if register else None
        finally:
            # The run has ended well, whatever becomes of its model.
            _print_result(result, as_json, registered)


def _check_register(name: str, config: RunConfig, *, each: bool, dry_run: bool) -> None:
    """See that there will be a model to register, before anything is trained."""
    from framework_core.errors import ConflictingOptionsError
    from framework_core.model_registry.version import check_name

    check_name(name)
    tracking = config.mlops.tracking
    without = {
        "--dry-run": dry_run,
        "--each": each,
        "mlops.tracking.backend=none": tracking.backend == "none",
        "mlops.tracking.offline=true": tracking.offline,
        "mlops.tracking.log_model=false": not tracking.log_model,
    }
    for other, is_given in without.items():
        if is_given:
            later = "several runs give several models" if each else "there would be no model of one run in a store"
            raise ConflictingOptionsError(
                "fw train",
                ["--register", other],
                f"{later}.",
                next_step="Register a run when it has ended: fw registry register RUN NAME",
            )


def _registered(result: RunResult, name: str) -> Version:
    from framework_core.model_registry import register
    from framework_core.tracking.store import tracking_uri

    run = result.run
    return register(str(run.directory), name, tracking_uri=tracking_uri(run.config.mlops.tracking))


def _config_of(resume: str, config: Path | None, words: list[str]) -> Path:
    """The settings that a run was started with."""
    from framework_core.errors import ConflictingOptionsError
    from framework_core.tracking.lookup import CONFIG, find_run

    if config is not None:
        raise ConflictingOptionsError(
            "fw train",
            ["--resume", "--config"],
            "a run is continued with its own settings.",
            possible="One of them is possible, or single settings beside --resume.",
            next_step="Change single settings: fw train --resume RUN KEY=VALUE",
        )
    output_dir = next((word.partition("=")[2] for word in words if word.startswith("output_dir=")), "runs")
    return find_run(resume, output_dir=Path(output_dir)).directory / CONFIG


def _check_each(resume: str, dry_run: bool) -> None:
    from framework_core.errors import ConflictingOptionsError

    if resume not in ("", "auto"):
        raise ConflictingOptionsError(
            "fw train",
            ["--each", f"--resume {resume}"],
            "one run is continued with its own settings.",
            possible="--resume auto goes on with the runs that have not ended.",
        )
    if dry_run:
        raise ConflictingOptionsError("fw train", ["--each", "--dry-run"], "one set of settings is tried.")


def _say_choices(composition: Composition, file: Path | None) -> None:
    """What nobody had chosen, and how to choose otherwise."""
    from framework_core.cli.screen import note
    from framework_core.tracking.store import shown_uri, tracking_uri

    config, chosen = composition.config, composition.chosen
    lines = []
    if file:
        lines.append(("settings", str(file), "--config FILE, or --model NAME"))
    if "dataset" in chosen:
        lines.append(("dataset", config.dataset.name, "another: --dataset NAME (fw list datasets)"))
    if "optimizer" in chosen:
        lr = f", lr {config.optimizer.lr:g}" if _is_default(config.optimizer, "lr") else ""
        lines.append(("optimizer", f"{config.optimizer.name}{lr}", "optimizer=sgd optimizer.lr=0.1"))
    if "scheduler" in chosen:
        lines.append(("scheduler", config.scheduler.name, "scheduler=constant"))
    if "trainer" in chosen and _is_default(config.trainer, "max_epochs"):
        lines.append(("epochs", str(config.trainer.max_epochs), "trainer.max_epochs=30"))
    if _is_default(config, "seed"):
        lines.append(("seed", str(config.seed), "seed=1"))
    if config.mlops.tracking.backend == "mlflow" and config.mlops.tracking.uri is None:
        uri = shown_uri(tracking_uri(config.mlops.tracking))
        lines.append(("tracking", uri, "mlops.tracking.uri=http://SERVER:5000"))
    if lines:
        note("Chosen for you:")
        first, second = (max(len(line[column]) for line in lines) for column in (0, 1))
        for name, value, other in lines:
            note(f"  {name.ljust(first)}  {value.ljust(second)}  else: {other}")


def _is_default(section: BaseModel, name: str) -> bool:
    return bool(getattr(section, name) == type(section).model_fields[name].default)


def _print_result(result: RunResult, as_json: bool, registered: Version | None) -> None:
    from framework_core.cli.screen import print_facts, print_json

    run = result.run
    if as_json:
        print_json({**_plain(result), **({"registered": str(registered)} if registered else {})})
        return
    facts = [("run", f"{run.run_id}  ({run.name})")]
    facts += [(name, f"{value:.4f}") for name, value in result.metrics.items() if not name.startswith("lr")]
    facts += [
        ("checkpoint", str(result.best_checkpoint or result.last_checkpoint or "")),
        ("folder", str(run.directory)),
    ]
    if run.tracking_uri:
        facts.append(("look at it", _where_to_look(run.tracking_uri)))
    if registered:
        facts.append(("registered", str(registered)))
    facts.append(("predict", f"fw predict {run.name} FILES -o predictions.csv"))
    facts.append(("repeat it", result.command))
    print_facts(facts)


def _print_group(group: RunGroup, as_json: bool) -> None:
    """What each run reached, their mean and deviation."""
    from framework_core.cli.screen import note, print_json, print_table

    rows = group.rows()
    if as_json:
        print_json(
            {
                "run_id": group.run_id,
                "name": group.name,
                "directory": str(group.directory),
                "runs": [vars(each) for each in group.members],
                "mean": group.mean,
                "std": group.std,
            }
        )
        return
    head = list(rows[0])
    print_table([[_cell(row[name]) for name in head] for row in rows], head)
    note(f"The table is in {group.directory}")


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _where_to_look(uri: str) -> str:
    from framework_core.tracking.store import shown_uri

    return uri if uri.startswith(("http://", "https://")) else f"fw ui  (MLflow on {shown_uri(uri)})"


def _plain(result: RunResult) -> dict[str, Any]:
    return {
        "run_id": result.run.run_id,
        "name": result.run.name,
        "status": result.status,
        "directory": str(result.run.directory),
        "tracking_uri": result.run.tracking_uri,
        "metrics": result.metrics,
        "intervals": result.intervals,
        "best_checkpoint": str(result.best_checkpoint or ""),
        "last_checkpoint": str(result.last_checkpoint or ""),
        "command": result.command,
    }
