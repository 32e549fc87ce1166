"""Finding components by words."""

from __future__ import annotations

from collections.abc import Sequence

from framework_core.plugins.discovery import Offer
from framework_core.plugins.registry import registry

KINDS = ("dataset", "model")


def find(words: Sequence[str]) -> list[Offer]:
    """Components in which every word occurs, those with a word in their name first."""
    wanted = [word.lower() for text in words for word in text.split()]
    ranked = []
    for kind in KINDS:
        for offer in registry.catalogue.offers(kind):
            spec = offer.spec
            text = " ".join([spec.name, spec.summary, *spec.tags, spec.paper, *getattr(spec, "tasks", ())]).lower()
            if all(word in text for word in wanted):
                in_name = sum(word in spec.name.lower() for word in wanted)
                exact = spec.name.lower() in wanted
                ranked.append(((not exact, -in_name, kind, spec.name), offer))
    return [offer for _, offer in sorted(ranked, key=lambda pair: pair[0])]
