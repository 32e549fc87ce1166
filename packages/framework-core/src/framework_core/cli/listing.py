"""The command ``fw list``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from framework_core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from framework_core.plugins.discovery import Plugin
    from framework_core.plugins.index import Row

app = typer.Typer(help="List what is installed.", no_args_is_help=True, invoke_without_command=True)

DOMAIN = typer.Option("", "--domain", help="Only this domain: vision, nlp, timeseries, audio.")
TASK = typer.Option("", "--task", help="Only this task, for example image-classification.")
TAG = typer.Option("", "--tag", help="Only with this tag.")
PLUGIN = typer.Option("", "--plugin", help="Only from this package.")
CERTIFIED = typer.Option(False, "--certified", help="Only from packages whose certificate holds.")
JSON = typer.Option(False, "--json", help="Print as JSON.")
DOMAINS = ("vision", "nlp", "timeseries", "audio")
WORDS = {"domain": "domain", "tasks": "task", "tags": "tag", "distribution": "plugin"}
"""What the field that a filter looks at is called."""

HEAD = ("name", "from", "what")
KINDS = ("model", "dataset", "strategy", "optimizer", "scheduler", "callback")


@app.callback()
def everything(context: typer.Context, certified: bool = CERTIFIED) -> None:
    """List what is installed."""
    from framework_core.cli.screen import note, print_table
    from framework_core.plugins import index

    if kind := context.invoked_subcommand:
        if certified:
            next_step = f"Of one kind: fw list {kind} --certified"
            raise UsageError("fw list --certified lists every kind.", command="fw list", next_step=next_step)
        return
    rows = [{**row, "kind": kind} for kind in KINDS for row in index.rows(kind)]
    found = _certified(rows) if certified else rows
    if found:
        shown = [[row["kind"], row["name"], row["distribution"], row.get("summary", "")] for row in found]
        print_table(shown, ("kind", *HEAD))
    note(f"\n{len(found)} of {len(rows)} components")


@app.command("models")
def models(
    domain: str = DOMAIN,
    task: str = TASK,
    tag: str = TAG,
    plugin: str = PLUGIN,
    pretrained: bool = typer.Option(False, "--pretrained", help="Only with pretrained weights."),
    certified: bool = CERTIFIED,
    as_json: bool = JSON,
) -> None:
    """The models that can be trained."""
    wanted = {"domain": domain, "tasks": task, "tags": tag, "distribution": plugin}
    _print("model", "models", wanted, as_json, having="weights" if pretrained else "", certified=certified)


@app.command("datasets")
def datasets(
    domain: str = DOMAIN,
    task: str = TASK,
    tag: str = TAG,
    plugin: str = PLUGIN,
    certified: bool = CERTIFIED,
    as_json: bool = JSON,
) -> None:
    """The datasets that can be trained on."""
    wanted = {"domain": domain, "tasks": task, "tags": tag, "distribution": plugin}
    _print("dataset", "datasets", wanted, as_json, certified=certified)


@app.command("strategies")
def strategies(as_json: bool = JSON) -> None:
    """The ways to train on several devices."""
    _print("strategy", "strategies", {}, as_json)


@app.command("optimizers")
def optimizers(as_json: bool = JSON) -> None:
    """The optimizers that can be named."""
    _print("optimizer", "optimizers", {}, as_json)


@app.command("schedulers")
def schedulers(as_json: bool = JSON) -> None:
    """The learning-rate schedulers that can be named."""
    _print("scheduler", "schedulers", {}, as_json)


@app.command("callbacks")
def callbacks(as_json: bool = JSON) -> None:
    """The callbacks that plugins offer."""
    _print("callback", "callbacks", {}, as_json)


@app.command("plugins")
def plugins(as_json: bool = JSON) -> None:
    """The plugins that are installed: what each offers, how long it takes to import, what is wrong with it."""
    from framework_core.cli.screen import print_json, print_table
    from framework_core.plugins.registry import registry

    found = registry.plugins.found
    if as_json:
        print_json(
            [
                {
                    "name": plugin.name,
                    "distribution": plugin.distribution,
                    "version": plugin.version,
                    "state": plugin.state,
                    "cause": plugin.cause,
                    "hooks": list(plugin.hooks),
                    "offers": len(plugin.offers),
                    "seconds": round(plugin.seconds, 4),
                    "certificate": _certificate(plugin),
                }
                for plugin in found
            ]
        )
        return
    rows = [
        [
            each.name,
            each.distribution,
            each.version,
            each.state,
            f"{len(each.offers):,}",
            _took(each),
            _certificate(each),
            each.cause,
        ]
        for each in found
    ]
    heads = ["plugin", "distribution", "version", "state", "offers", "import", "certificate", "cause"]
    shown = [
        position for position, head in enumerate(heads) if head != "certificate" or any(row[position] for row in rows)
    ]
    print_table([[row[each] for each in shown] for row in rows], [heads[each] for each in shown])


def _certificate(plugin: Plugin) -> str:
    from framework_core.plugins.certificate import certificate_of

    found = certificate_of(plugin.distribution)
    return "" if found is None else "holds" if found.holds else "void"


def _took(plugin: Plugin) -> str:
    return f"{plugin.seconds * 1000:.0f} ms" if plugin.seconds else ""


def _print(
    kind: str, plural: str, wanted: Mapping[str, str], as_json: bool, *, having: str = "", certified: bool = False
) -> None:
    """Print the components of a kind that have what is wanted: a value in each of some fields, some field at all."""
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.plugins import index

    everything = index.rows(kind)
    filters = {field: value for field, value in wanted.items() if value}
    _check(filters, everything)
    found = [
        row
        for row in everything
        if all(_has(row.get(field, ()), value) for field, value in filters.items()) and (not having or row.get(having))
    ]
    if certified:
        found = _certified(found)
    counts = Counter(row["name"] for row in everything)
    twice = [name for name, count in counts.items() if count > 1]
    for row in found:
        row["name"] = f"{row['distribution']}:{row['name']}" if row["name"] in twice else row["name"]
    if as_json:
        print_json(found)
        return
    if found:
        print_table([[row["name"], row["distribution"], row.get("summary", "")] for row in found], HEAD)
    filtered = bool(filters or having or certified)
    note(f"\n{len(found)} of {len(everything)} {plural}" if filtered else f"\n{len(everything)} {plural}")
    if not everything:
        note(f"They come with plugins, for example: pip install {_a_plugin_with(kind)}")
    if twice:
        note(f"Offered twice, so named with their package: {', '.join(twice)}")


def _certified(rows: list[Row]) -> list[Row]:
    """Those from packages whose certificate holds."""
    from framework_core.plugins.certificate import certified

    holding = set(certified({row["distribution"] for row in rows}))
    return [row for row in rows if row["distribution"] in holding]


def _has(values: Any, value: str) -> bool:
    return value == values if isinstance(values, str) else value in values


def _check(filters: Mapping[str, str], rows: list[Row]) -> None:
    """Refuse a value that no component has; a domain of which nothing is installed is still a domain."""
    for field, value in filters.items():
        known = {each for row in rows for each in _as_list(row.get(field, ()))}
        if value not in known and known and not (field == "domain" and value in DOMAINS):
            raise UnknownNameError(WORDS[field], value, known)


def _as_list(values: Any) -> list[str]:
    return [values] if isinstance(values, str) else list(values)


def _a_plugin_with(kind: str) -> str:
    from framework_core.plugins.hints import install_hints

    return next(iter(install_hints().get(kind, {})), "a plugin")
