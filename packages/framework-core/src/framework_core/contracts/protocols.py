"""The shapes that core relies on. Inheriting is one way to have them, not the only one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from framework_core.contracts.config import ComponentConfig


@runtime_checkable
class ITrainable(Protocol):
    """Something Lightning can train. Every ``LightningModule`` with these two methods is one."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """One batch to a loss."""
        ...

    def configure_optimizers(self) -> Any:
        """The optimizer, and its scheduler where there is one."""
        ...


@runtime_checkable
class ISerializable(Protocol):
    """Something whose state can be saved and brought back."""

    def state_dict(self) -> Mapping[str, Any]:
        """Everything needed to bring it back, as plain values and tensors."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take the state that ``state_dict`` gave."""
        ...


@runtime_checkable
class IConfigurable(Protocol):
    """Something that says which settings it takes."""

    @classmethod
    def config_class(cls) -> type[ComponentConfig]:
        """The pydantic class of its settings."""
        ...


@runtime_checkable
class IResumable(Protocol):
    """A stream of training data (``IterableDataset``) that can go on inside an epoch."""

    def resume(self, epoch: int, samples: int) -> None:
        """Let the next ``iter()`` give what comes after so many samples of an epoch.

        Called at the beginning of every epoch, in every process that loads data, each with the samples that it has
        given itself. The order has to follow from the epoch, and from which process this is.

        Args:
            epoch: The epoch, from 0.
            samples: The samples of this epoch that this process has given before.
        """
        ...
