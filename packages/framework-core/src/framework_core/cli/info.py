"""The command ``fw info``."""

from __future__ import annotations

import typer

app = typer.Typer(help="Show what is known of one component.", no_args_is_help=True)

NAME = typer.Argument(..., help="Its name.")
JSON = typer.Option(False, "--json", help="Print as JSON.")


@app.command("model")
def model(name: str = NAME, as_json: bool = JSON) -> None:
    """A model: what it is, its weights, its settings."""
    _show("model", name, as_json)


@app.command("dataset")
def dataset(name: str = NAME, as_json: bool = JSON) -> None:
    """A dataset: what it is, its settings."""
    _show("dataset", name, as_json)


@app.command("optimizer")
def optimizer(name: str = NAME, as_json: bool = JSON) -> None:
    """An optimizer: its settings."""
    _show("optimizer", name, as_json)


@app.command("scheduler")
def scheduler(name: str = NAME, as_json: bool = JSON) -> None:
    """A learning-rate scheduler: its settings."""
    _show("scheduler", name, as_json)


def _show(kind: str, name: str, as_json: bool) -> None:
    from framework_core.cli.screen import print_facts, print_json, print_table
    from framework_core.config.describe import described
    from framework_core.plugins.catalogue import config_class
    from framework_core.plugins.certificate import certificate_of
    from framework_core.plugins.registry import registry

    offer = registry.resolve(kind, name)
    settings = described(config_class(offer))
    facts = {**offer.spec.model_dump(mode="json", exclude_defaults=True), "distribution": offer.distribution}
    if certificate := certificate_of(offer.distribution):
        facts["certificate"] = str(certificate)
    if as_json:
        print_json({**facts, "settings": settings})
        return
    order = (
        "name",
        "summary",
        "domain",
        "tasks",
        "parameters",
        "licence",
        "paper",
        "tags",
        "weights",
        "distribution",
        "certificate",
    )
    print_facts((key, _text(facts.get(key))) for key in order)
    if settings:
        print("\nsettings")
        rows = [[f"{kind}.{each['name']}", each["type"], each["default"], each["description"]] for each in settings]
        print_table(rows, ["key", "type", "default", "what"])


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value or "")
