"""The commands ``fw registry``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.model_registry import Record, RegisteredModel, Version

app = typer.Typer(
    help="Register trained models, and promote them from stage to stage.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

URI = typer.Option("", "--uri", help="A tracking store (default: MLFLOW_TRACKING_URI, else mlflow.db here).")
JSON = typer.Option(False, "--json", help="Print as JSON.")
WHY = typer.Option("", "--why", help="The reason; it stays in the history.")
NAME = typer.Argument(..., help="A registered model.")
VERSION = typer.Argument(..., min=1, help="The number of a version.")
STAGE = typer.Argument(..., help="A stage: staging or production, unless mlops.registry.stages says otherwise.")


@app.command("register")
def register(
    run: str = typer.Argument(..., help="A run: its id, the beginning of it, its name, its folder, or 'last'."),
    name: str = typer.Argument(..., help="The registered model; it is made where it is not there."),
    why: str = WHY,
    uri: str = typer.Option("", "--uri", help="A tracking store (default: the one that has the run)."),
    as_json: bool = JSON,
) -> None:
    """Register the model of a run as the next version. It stands in the first stage then."""
    from framework_core.cli.screen import print_json
    from framework_core.model_registry import register

    version = register(run, name, why=why, tracking_uri=uri)
    if as_json:
        print_json(plain(version))
    else:
        print_version(version)


@app.command("list")
def list_models(uri: str = URI, as_json: bool = JSON) -> None:
    """List registered models with the version in each stage."""
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.model_registry import models

    found = models(tracking_uri=uri)
    if as_json:
        print_json([_plain_model(each) for each in found])
        return
    if not found:
        note("No model is registered yet.\n  Register one: fw registry register RUN NAME")
        return
    stages = list(dict.fromkeys(stage for each in found for stage in each.stages))
    rows = [
        [each.name, str(len(each.versions)), *(str(each.stages.get(stage, "")) for stage in stages)] for each in found
    ]
    print_table(rows, ["name", "versions", *stages])


@app.command("show")
def show(
    name: str = NAME,
    version: int | None = typer.Argument(None, min=1, metavar="[VERSION]", help="A version; without it, all of them."),
    uri: str = URI,
    as_json: bool = JSON,
) -> None:
    """Show a registered model, or one of its versions with what was done to it."""
    from framework_core.cli.screen import print_json, print_table
    from framework_core.model_registry import find, history, model

    if version is None:
        found = model(name, tracking_uri=uri)
        if as_json:
            print_json(_plain_model(found))
            return
        rows = [[str(each.version), ", ".join(each.stages), each.run_id, _moment(each)] for each in found.versions]
        print_table(rows, ["version", "stage", "run", "registered"])
        return
    one = find(f"{name}/{version}", tracking_uri=uri)
    records = [each for each in history(name, tracking_uri=uri) if version in (each.version, each.replaced)]
    if as_json:
        print_json({**plain(one), "history": [vars(each) for each in records]})
        return
    print_version(one)
    _print_records(records)


@app.command("promote")
def promote(
    name: str = NAME,
    version: int = VERSION,
    stage: str = STAGE,
    why: str = WHY,
    replaces: int | None = typer.Option(
        None, "--replaces", min=1, help="Only if this version stands there now; else nothing is done."
    ),
    policy: Path | None = typer.Option(
        None, "--policy", help="What the stage needs (default: mlops.registry.policy, else registry.yaml here)."
    ),
    force: bool = typer.Option(False, "--force", help="Promote it although a gate refuses it. Needs --why."),
    uri: str = URI,
    as_json: bool = JSON,
) -> None:
    """Let a version stand in a higher stage, in place of the one that stands there.

    It needs what the policy says. Ends with 1 where a gate refuses it.
    """
    from framework_core.model_registry import promote

    record = promote(name, version, stage, why=why, replaces=replaces, policy=policy, force=force, tracking_uri=uri)
    _print_record(name, record, as_json)


@app.command("demote")
def demote(name: str = NAME, version: int = VERSION, why: str = WHY, uri: str = URI, as_json: bool = JSON) -> None:
    """Take a version out of its stage, and put nothing in its place."""
    from framework_core.model_registry import demote

    _print_record(name, demote(name, version, why=why, tracking_uri=uri), as_json)


@app.command("rollback")
def rollback(name: str = NAME, stage: str = STAGE, why: str = WHY, uri: str = URI, as_json: bool = JSON) -> None:
    """Put the version back into a stage that stood there before the last promotion."""
    from framework_core.model_registry import rollback

    _print_record(name, rollback(name, stage, why=why, tracking_uri=uri), as_json)


@app.command("history")
def history(name: str = NAME, uri: str = URI, as_json: bool = JSON) -> None:
    """Show everything that was done to a model: who, when, from where to where, and why."""
    from framework_core.cli.screen import print_json
    from framework_core.model_registry import history

    records = history(name, tracking_uri=uri)
    if as_json:
        print_json([vars(each) for each in records])
    else:
        _print_records(records)


@app.command("at")
def at(
    name: str = NAME,
    date: str = typer.Argument(..., help="A date or a time: 2026-03-01, which means its end, or 2026-03-01T14:30."),
    uri: str = URI,
    as_json: bool = JSON,
) -> None:
    """Say which version stood in which stage at a time."""
    from framework_core.cli.screen import note, print_facts, print_json
    from framework_core.model_registry import at

    found = at(name, date, tracking_uri=uri)
    if as_json:
        print_json({"name": name, "when": found.when, "stages": found.stages})
        return
    if found.record is None:
        note(f"{name} was not registered yet.")
    print_facts([("when", found.when), *((stage, str(version)) for stage, version in found.stages.items())])


@app.command("verify")
def verify(name: str = NAME, uri: str = URI, as_json: bool = JSON) -> None:
    """See that no record of a history was changed, taken out or swapped. Ends with 1 where one was."""
    from framework_core.cli.screen import note, print_facts, print_json
    from framework_core.model_registry import verify

    found = verify(name, tracking_uri=uri)
    if as_json:
        print_json({"passed": found.passed, **vars(found)})
    else:
        print_facts([("records", str(found.records)), ("passed", "yes" if found.passed else "no")])
        for line in [*found.damage, *found.aliases]:
            note(f"  {line}")
    if not found.passed:
        raise typer.Exit(1)


def print_version(version: Version) -> None:
    """A version for people."""
    from framework_core.cli.screen import print_facts

    print_facts(
        [
            ("version", str(version)),
            ("stage", ", ".join(version.stages)),
            ("run", version.run_id),
            ("source", version.source),
            ("registered", _moment(version)),
        ]
    )


def plain(version: Version) -> dict[str, Any]:
    """A version for a script."""
    from framework_core.config.saved import without_credentials

    return {**vars(version), "tracking_uri": without_credentials(version.tracking_uri)}


def _plain_model(found: RegisteredModel) -> dict[str, Any]:
    return {**vars(found), "versions": [plain(each) for each in found.versions]}


def _print_record(name: str, record: Record, as_json: bool) -> None:
    from framework_core.cli.screen import print_facts, print_json

    if as_json:
        print_json({"name": name, **vars(record)})
        return
    replaced = "" if record.replaced is None else f"{name}/{record.replaced}"
    print_facts(
        [
            ("version", f"{name}/{record.version}"),
            ("from", record.from_stage),
            ("to", record.to_stage),
            ("replaces", replaced),
            ("forced", "yes" if record.forced else ""),
            *((each["gate"], each.get("told", "")) for each in record.evidence.get("gates", [])),
        ]
    )


def _print_records(records: list[Record]) -> None:
    from framework_core.cli.screen import print_table

    head = ("when", "who", "what", "version", "from", "to", "replaced", "why")
    print_table([_cells(each) for each in records], head)


def _cells(record: Record) -> list[str]:
    what = f"{record.action}, forced" if record.forced else record.action
    replaced = "" if record.replaced is None else str(record.replaced)
    when = _local(datetime.fromisoformat(record.when))
    return [when, record.who, what, str(record.version), record.from_stage, record.to_stage, replaced, record.why]


def _moment(version: Version) -> str:
    return _local(datetime.fromtimestamp(version.registered, timezone.utc))


def _local(when: datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
