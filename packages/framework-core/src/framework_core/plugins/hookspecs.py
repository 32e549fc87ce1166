"""Every hook there is.

A plugin is a module named by an entry point of the group ``framework.plugins``. It implements any of these
hooks as functions marked with ``hookimpl``, and takes only those arguments it wants::

    from framework_core import hookimpl
    from framework_core.contracts import ModelSpec


    @hookimpl
    def register_components():
        yield ModelSpec(name="my_model", domain="vision", builder="my_package.models:MyModel")

The module is imported whenever models or datasets are listed, so it must stay light: no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from framework_core.contracts import ComponentSpec
    from framework_core.contracts.move import VersionMove
    from framework_core.contracts.run import RunInfo, RunResult

PROJECT = "framework"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class HookSpecs:
    """The hooks, each with its promise and an example."""

    @hookspec
    def register_components(self) -> Iterable[ComponentSpec]:  # type: ignore[empty-body]
        """Say which components the plugin offers: models, datasets, optimizers, schedulers, callbacks, strategies.

        Called once in a process, before anything is listed or built. Nothing is imported by it: a spec names
        its builder as text. One spec that is wrong costs this plugin alone.

        Returns:
            The specs, in any order; a generator will do.

        Example::

            @hookimpl
            def register_components():
                yield ModelSpec(name="my_model", domain="vision", builder="my_package.models:MyModel")
                yield CallbackSpec(name="my_callback", builder="my_package.callbacks:MyCallback")
        """

    @hookspec
    def register_config_packages(self) -> Iterable[str]:  # type: ignore[empty-body]
        """Name the importable packages that hold Hydra config groups.

        Called once in a process, when settings are composed. Each package needs an ``__init__.py``; its folders
        are groups and its YAML files their options.

        Returns:
            Dotted names.

        Example::

            @hookimpl
            def register_config_packages():
                return ["my_package.conf"]
        """

    @hookspec
    def run_started(self, run: RunInfo) -> None:
        """Hear that a run has started.

        Called on the first process only, after the run was recorded and before the first batch. An exception
        is reported and does not stop the run.

        Args:
            run: The run.

        Example::

            @hookimpl
            def run_started(run):
                print(f"{run.name} trains {run.config.model.name}")
        """

    @hookspec
    def epoch_ended(self, run: RunInfo, epoch: int, metrics: Mapping[str, float]) -> None:
        """Hear that an epoch has ended, its validation included.

        Called on the first process only, and training waits for it. An exception is reported, the first time, and
        does not stop the run.

        Args:
            run: The run.
            epoch: Which epoch, from 1.
            metrics: The last value of each metric.

        Example::

            @hookimpl
            def epoch_ended(run, epoch, metrics):
                if metrics.get("val/accuracy", 0.0) > 0.9:
                    print(f"{run.name} is good after {epoch} epochs")
        """

    @hookspec
    def run_ended(self, result: RunResult) -> None:
        """Hear that a run has ended, however it ended.

        Called on the first process only, after everything was recorded. An exception is reported and does not
        change the result.

        Args:
            result: How it ended, with its metrics and checkpoints.

        Example::

            @hookimpl
            def run_ended(result):
                if result.status == "failed":
                    print(f"{result.run.name} failed")
        """

    @hookspec
    def version_moved(self, move: VersionMove) -> None:
        """Hear that a version of a registered model was registered, promoted, demoted or put back.

        Called in the process that did it, after it was written. An exception is reported and undoes nothing.

        Args:
            move: What was done.

        Example::

            @hookimpl
            def version_moved(move):
                if move.to_stage == "production":
                    print(f"{move.model}/{move.version} answers from now on")
        """
