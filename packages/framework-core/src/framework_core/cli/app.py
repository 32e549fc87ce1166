"""Wires the commands together."""

from __future__ import annotations

import typer

from framework_core.cli import (
    artifacts,
    checkpoint,
    completion,
    config,
    data,
    doctor,
    drift,
    evaluate,
    export,
    find,
    fit_check,
    info,
    init,
    launch,
    listing,
    plugin,
    predict,
    registry,
    replay,
    report,
    reproduce,
    runs,
    search,
    serve,
    slices,
    train,
    ui,
    verify,
    watch,
)

app = typer.Typer(
    name="fw",
    help="Train models that plugins bring: from data to a tracked run with one command.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: fw list models, then fw train --model NAME",
)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("export")(export.export)
app.command("serve")(serve.serve)
app.command("launch")(launch.launch)
app.command("replay")(replay.replay)
app.command("reproduce")(reproduce.reproduce)
app.command("fit-check")(fit_check.fit_check)
app.add_typer(find.app, name="find")
app.add_typer(verify.app, name="verify")
app.add_typer(plugin.app, name="plugin")
app.add_typer(listing.app, name="list")
app.command("search")(search.search)
app.add_typer(info.app, name="info")
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(registry.app, name="registry")
app.add_typer(artifacts.app, name="artifacts")
app.command("report")(report.report)
app.command("slices")(slices.slices)
app.command("drift")(drift.drift)
app.command("watch")(watch.watch)
app.command("ui")(ui.ui)
app.command("doctor")(doctor.doctor)
app.command("init")(init.init)
app.command("completion")(completion.completion)


def _version(wanted: bool) -> None:
    if wanted:
        from framework_core import __version__

        print(f"framework-core {__version__}")
        raise typer.Exit


@app.callback()
def options(
    without: list[str] = typer.Option([], "--without", metavar="PLUGIN", help="Leave a plugin out. Can be repeated."),
    no_plugins: bool = typer.Option(False, "--no-plugins", help="Leave every plugin out."),
    strict: bool = typer.Option(False, "--strict", help="Make a broken plugin an error."),
    offline: bool = typer.Option(False, "--offline", help="Fetch nothing from the network."),
    debug: bool = typer.Option(False, "--debug", help="Show where an error arose."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Options of every command; they may stand anywhere, and are followed before any command is (``program``)."""
