"""What this package offers by hooks. Read whenever models are listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable

from framework_core import hookimpl
from framework_core.contracts import CallbackSpec, ComponentSpec, ModelSpec, RunResult

from framework_plugins_wine import results


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """The model and the callback; the dataset has a line in pyproject.toml."""
    yield ModelSpec(
        name="gated_mlp",
        domain="tabular",
        tasks=("tabular-classification",),
        summary="A small network for tables: each layer is gated by its input",
        builder="framework_plugins_wine.model:GatedMLP",
        config="framework_plugins_wine.settings:GatedMLPConfig",
        tags=("table",),
        licence="MIT",
        check_settings=("dataset=wine",),
        paper="Dauphin et al., Language Modeling with Gated Convolutional Networks, https://arxiv.org/abs/1612.08083",
    )
    yield CallbackSpec(
        name="jitter",
        summary="Adds noise to each training batch, so that few samples are not learned by heart",
        builder="framework_plugins_wine.callbacks:Jitter",
        config="framework_plugins_wine.settings:JitterConfig",
    )


@hookimpl
def register_config_packages() -> list[str]:
    """The experiment ``wine``."""
    return ["framework_plugins_wine.conf"]


@hookimpl
def run_ended(result: RunResult) -> None:
    """Note what a run on the wine data came to, for ``fw wine best``."""
    run = result.run
    if run.config.dataset.name == "wine" and results.METRIC in result.metrics:
        row = results.Result(run.name, run.config.model.name, result.metrics[results.METRIC])
        results.add(row, run.directory.parent / results.FILE)
