"""The dataset that is taken for a model where none is named."""

from __future__ import annotations

from framework_core.contracts.specs import ComponentSpec, DatasetSpec
from framework_core.plugins.registry import registry


def usual_datasets(model: ComponentSpec) -> list[str]:
    """The datasets that say they may be taken: of the model's domain, for the first of its tasks that has one.

    Returns:
        One name where it is clear; several, or none, where a dataset has to be named.
    """
    domain, tasks = getattr(model, "domain", ""), getattr(model, "tasks", ())
    specs = [offer.spec for offer in registry.catalogue.offers("dataset")]
    usual = [spec for spec in specs if isinstance(spec, DatasetSpec) and spec.default]
    of_domain = [spec for spec in usual if not domain or spec.domain == domain]
    for task in tasks:
        if fitting := [spec.name for spec in of_domain if task in spec.tasks]:
            return fitting
    return [spec.name for spec in of_domain if not tasks or not spec.tasks]
