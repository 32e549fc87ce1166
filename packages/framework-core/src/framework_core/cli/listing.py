"""The command ``fw list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.plugins.discovery import Offer

app = typer.Typer(help="List what is installed.", no_args_is_help=True)

DOMAIN = typer.Option("", "--domain", help="Only this domain: vision, nlp, timeseries, audio.")
TASK = typer.Option("", "--task", help="Only this task, for example image-classification.")
TAG = typer.Option("", "--tag", help="Only with this tag.")
PLUGIN = typer.Option("", "--plugin", help="Only from this package.")
JSON = typer.Option(False, "--json", help="Print as JSON.")


@app.command("models")
def models(
    domain: str = DOMAIN,
    task: str = TASK,
    tag: str = TAG,
    plugin: str = PLUGIN,
    pretrained: bool = typer.Option(False, "--pretrained", help="Only with pretrained weights."),
    as_json: bool = JSON,
) -> None:
    """The models that can be trained."""
    offers = _filtered("model", domain=domain, task=task, tag=tag, plugin=plugin)
    if pretrained:
        offers = [offer for offer in offers if getattr(offer.spec, "weights", ())]
    _print("model", offers, as_json, filtered=bool(domain or task or tag or plugin or pretrained))


@app.command("datasets")
def datasets(
    domain: str = DOMAIN, task: str = TASK, tag: str = TAG, plugin: str = PLUGIN, as_json: bool = JSON
) -> None:
    """The datasets that can be trained on."""
    offers = _filtered("dataset", domain=domain, task=task, tag=tag, plugin=plugin)
    _print("dataset", offers, as_json, filtered=bool(domain or task or tag or plugin))


@app.command("strategies")
def strategies(as_json: bool = JSON) -> None:
    """The ways to train on several devices."""
    _print("strategy", _filtered("strategy"), as_json, filtered=False)


@app.command("plugins")
def plugins(as_json: bool = JSON) -> None:
    """The plugins that are installed, with what each offers and what is wrong with it."""
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
                }
                for plugin in found
            ]
        )
        return
    rows = [
        [each.name, each.distribution, each.version, each.state, str(len(each.offers)), each.cause] for each in found
    ]
    print_table(rows, ["plugin", "distribution", "version", "state", "offers", "cause"])


def _filtered(kind: str, *, domain: str = "", task: str = "", tag: str = "", plugin: str = "") -> list[Offer]:
    from framework_core.plugins.registry import registry

    return [
        offer
        for offer in registry.catalogue.offers(kind)
        if (not domain or getattr(offer.spec, "domain", "") == domain)
        and (not task or task in getattr(offer.spec, "tasks", ()))
        and (not tag or tag in offer.spec.tags)
        and (not plugin or plugin == offer.distribution)
    ]


def _print(kind: str, offers: list[Offer], as_json: bool, *, filtered: bool) -> None:
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.plugins.registry import registry

    twice = _offered_twice(offers)
    names = [f"{each.distribution}:{each.spec.name}" if each.spec.name in twice else each.spec.name for each in offers]
    if as_json:
        print_json([{**as_facts(offer), "name": name} for offer, name in zip(offers, names, strict=True)])
        return
    rows = [[name, offer.distribution, offer.spec.summary] for offer, name in zip(offers, names, strict=True)]
    if rows:
        print_table(rows, ["name", "from", "what"])
    everything = len(registry.catalogue.offers(kind))
    plural = "strategies" if kind == "strategy" else f"{kind}s"
    note(f"\n{len(rows)} of {everything} {plural}" if filtered else f"\n{everything} {plural}")
    if twice:
        note(f"Offered twice, so named with their package: {', '.join(sorted(twice))}")


def _offered_twice(offers: list[Offer]) -> set[str]:
    seen: set[str] = set()
    return {offer.spec.name for offer in offers if offer.spec.name in seen or seen.add(offer.spec.name)}  # type: ignore[func-returns-value]


def as_facts(offer: Offer) -> dict[str, Any]:
    """What is known of a component without importing it."""
    facts = offer.spec.model_dump(mode="json", exclude_defaults=True)
    return {**facts, "name": offer.spec.name, "kind": offer.spec.kind, "distribution": offer.distribution}
