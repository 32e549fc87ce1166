"""The page of components: what core and the domain packages offer, with the settings of each."""

from __future__ import annotations

from collections.abc import Iterator

from framework_core.config.describe import described
from framework_core.contracts import ComponentConfig
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.discovery import Offer
from framework_core.plugins.registry import registry
from generator.markdown import code, first_line, prose, table

PLURALS = {"model": "Models", "dataset": "Datasets", "optimizer": "Optimizers", "scheduler": "Schedulers"}
FIRST_PARTY = (
    "framework-core",
    *(f"framework-plugins-{domain}" for domain in ("vision", "nlp", "timeseries", "audio")),
)
SHOWN = 10
"""Names of one settings class that are written out; of more, the number is told."""

INTRODUCTION = """# Components
What framework-core and the domain packages framework-plugins-vision, framework-plugins-nlp, framework-plugins-timeseries
and framework-plugins-audio offer, and the settings of each. Whatever is installed is listed by `fw list` and explained by `fw info`.
"""


def page() -> str:
    """Every component of the first-party packages."""
    parts = [INTRODUCTION]
    for kind, plural in PLURALS.items():
        parts.append(f"## {plural}")
        for settings, offers in by_settings(kind):
            parts += [_title(offers), *_about(settings, offers), _settings(kind, settings)]
    rows = [[code(offer.spec.name), offer.spec.summary] for offer in _offers("strategy")]
    parts += ["## Strategies", table(["name", "what"], rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def by_settings(kind: str) -> Iterator[tuple[type[ComponentConfig], list[Offer]]]:
    """The offers of a kind, those with the same settings together."""
    found: dict[type[ComponentConfig], list[Offer]] = {}
    for offer in _offers(kind):
        found.setdefault(config_class(offer), []).append(offer)
    yield from found.items()


def _offers(kind: str) -> list[Offer]:
    return [offer for offer in registry.catalogue.offers(kind) if offer.distribution in FIRST_PARTY]


def _title(offers: list[Offer]) -> str:
    if len(offers) > SHOWN:
        return f"### Every architecture of {offers[0].spec.tags[0]}"
    return f"### {', '.join(offer.spec.name for offer in offers)}"


def _about(settings: type[ComponentConfig], offers: list[Offer]) -> list[str]:
    if len(offers) > SHOWN:
        return [
            f"{len(offers):,} names; `fw list models --tag {offers[0].spec.tags[0]}` lists them.",
            first_line(settings),
        ]
    summaries = [offer.spec.summary for offer in offers]
    papers = dict.fromkeys(offer.spec.paper for offer in offers if offer.spec.paper)
    lines = "\n".join(f"- `{offer.spec.name}`: {offer.spec.summary}" for offer in offers)
    about = lines if len(offers) > 1 else f"{summaries[0]}."
    return [about, *(papers or [first_line(settings)])]


def _settings(kind: str, settings: type[ComponentConfig]) -> str:
    rows = [
        [code(f"{kind}.{each['name']}"), each["type"], code(each["default"]), prose(each["description"])]
        for each in described(settings)
    ]
    return table(["key", "takes", "default", "what"], rows) if rows else "It has no settings."
