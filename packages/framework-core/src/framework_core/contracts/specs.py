"""What a plugin declares: one spec for each component, read without importing the component."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from framework_core.contracts._contract import CONTRACT_VERSION, Contract
from framework_core.download import RemoteFile

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A component's name: letters, digits, dots, dashes and underscores."""

Target = Annotated[str, StringConstraints(pattern=r"^[^\s:]+:[^\s:]+$")]
"""Something importable as text, ``package.module:Name``; it is imported when it is needed."""


class ComponentSpec(Contract):
    """What every component says of itself.

    ``builder`` and ``config`` are text, so that listing imports nothing. The module of ``config`` must not
    import torch: settings are checked and completed before anything heavy loads.
    """

    kind: ClassVar[str] = "component"

    name: Name
    """What the user types."""

    summary: str = ""
    """One line on what it is."""

    builder: Target
    """What makes it: a class or a function that takes the settings as keyword arguments."""

    config: Target | None = None
    """Its settings, a subclass of ``ComponentConfig``; ``None`` reads them from the builder's signature."""

    tags: tuple[str, ...] = ()
    """Words to search and filter by."""

    licence: str = ""
    """The licence of what is built, an SPDX expression where there is one."""

    paper: str = ""
    """The paper it comes from."""

    requires: tuple[str, ...] = ()
    """Requirements beyond the package's own, as ``pip install`` takes them."""

    contract_version: int = Field(default=CONTRACT_VERSION, ge=1)
    """The contract it was written for."""

    check_settings: tuple[str, ...] = ()
    """Overrides that make it small and quick for ``fw plugin check``: ``dataset=digits``, ``model.width=8``."""

    expected_failures: dict[str, str] = Field(default_factory=dict)
    """Checks that it fails and may fail, by name, each with the reason, which every report shows."""


class ModelSpec(ComponentSpec):
    """A model that can be trained."""

    kind: ClassVar[str] = "model"

    domain: str = ""
    """``vision``, ``nlp``, ``timeseries``, ``audio`` or one of your own."""

    tasks: tuple[str, ...] = ()
    """What it can be trained for."""

    weights: tuple[str, ...] = ()
    """The names of the pretrained weights it offers."""

    parameters: int | None = None
    """How many parameters it has at its default size, where that is known."""

    exports: tuple[Literal["onnx", "torch-export"], ...] = ()
    """What it can be exported to beside ``safetensors`` and ``mlflow``; ``fw plugin check --thorough`` tries it."""


class DatasetSpec(ComponentSpec):
    """Data that can be trained on."""

    kind: ClassVar[str] = "dataset"

    domain: str = ""
    """``vision``, ``nlp``, ``timeseries``, ``audio`` or one of your own."""

    tasks: tuple[str, ...] = ()
    """What can be learned from it."""

    default: bool = False
    """Whether it is taken where a model of its domain is trained and no dataset is named."""

    files: tuple[RemoteFile, ...] = ()
    """What it fetches from the network with ``data_cache.fetch``; ``fw data`` lists, checks and removes it."""


class OptimizerSpec(ComponentSpec):
    """An optimizer: ``builder(parameter_groups, **settings)``."""

    kind: ClassVar[str] = "optimizer"

    shards: Literal["flat", "tensors", "none"] = "flat"
    """Of which parts of the parameters, a part in each process, it makes what one device would: ``flat`` pieces, where
    it changes each number by its own gradient and state alone; sharded ``tensors`` (``fsdp2``), where it looks at whole
    tensors by operations that torch knows for them; ``none``. Strategies that shard in another way are refused."""


class SchedulerSpec(ComponentSpec):
    """A learning-rate scheduler: ``builder(optimizer, total_steps=..., steps_per_epoch=..., **settings)``.

    It is stepped after every optimizer step. One whose settings are a ``WarmupConfig`` is given ``warmup_steps``.
    """

    kind: ClassVar[str] = "scheduler"


class CallbackSpec(ComponentSpec):
    """A Lightning callback: ``builder(**settings)``."""

    kind: ClassVar[str] = "callback"


class StrategySpec(ComponentSpec):
    """A Lightning strategy: ``builder(**settings)``."""

    kind: ClassVar[str] = "strategy"


SPECS: dict[str, type[ComponentSpec]] = {
    spec.kind: spec for spec in (ModelSpec, DatasetSpec, OptimizerSpec, SchedulerSpec, CallbackSpec, StrategySpec)
}
"""The spec of each kind of component."""
