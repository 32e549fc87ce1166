"""What is run in a process of its own: finding the plugins, whose code may do anything."""

from __future__ import annotations

import logging
from collections import defaultdict

from framework_core.contracts._contract import CONTRACT_VERSION
from framework_core.doctor.child import tell
from framework_core.plugins.registry import registry


def main() -> None:
    """Tell what became of each plugin, which names are offered twice, and which need a newer core."""
    logging.getLogger("framework_core").setLevel(logging.CRITICAL)
    found = registry.plugins.found
    owners = defaultdict(list)
    newer = defaultdict(set)
    for plugin in found:
        for offer in plugin.offers:
            owners[offer.spec.kind, offer.spec.name].append((offer.distribution, offer.spec.builder))
            if offer.spec.contract_version > CONTRACT_VERSION:
                newer[plugin.distribution].add(offer.spec.contract_version)
    facts = ("name", "distribution", "version", "state", "cause")
    tell(
        {
            "plugins": [{**{key: getattr(each, key) for key in facts}, "offers": len(each.offers)} for each in found],
            "twice": [
                [kind, name, sorted({distribution for distribution, _ in offers})]
                for (kind, name), offers in sorted(owners.items())
                if len({builder for _, builder in offers}) > 1
            ],
            "newer": {distribution: max(versions) for distribution, versions in newer.items()},
            "contract": CONTRACT_VERSION,
        }
    )
