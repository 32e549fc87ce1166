"""DP: one process, a copy of the model on each GPU for the time of a batch, by ``torch.nn.DataParallel``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.strategies import Strategy
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


class DP(Strategy):
    """Copies the model to all devices for each batch, and the outputs back to the first.

    Python's lock and the copies make it slower than DDP nearly always; it is there for programs that must be one
    process. On processors there is nothing to divide, and it trains as one device does.

    Args:
        accelerator: The kind of device.
        parallel_devices: The devices.
        checkpoint_io: How checkpoints are written.
        precision_plugin: The number format.
    """

    strategy_name = "dp"

    def __init__(
        self,
        accelerator: Accelerator | None = None,
        parallel_devices: Sequence[torch.device] = (),
        checkpoint_io: CheckpointIO | None = None,
        precision_plugin: Precision | None = None,
    ) -> None:
        super().__init__(accelerator, checkpoint_io, precision_plugin)
        self.parallel_devices = list(parallel_devices)
        self.global_rank = self.local_rank = 0
        self.world_size = 1
        self._divided: nn.Module | None = None

    @property
    def root_device(self) -> torch.device:
        """The device that has the weights."""
        return self.parallel_devices[0] if self.parallel_devices else torch.device("cpu")

    @property
    def is_global_zero(self) -> bool:
        """There is one process."""
        return True

    def setup(self, trainer: Any) -> None:
        """Put the model on its device, and copies of it wherever it is called."""
        self.model_to_device()
        super().setup(trainer)
        if self.root_device.type == "cuda" and len(self.parallel_devices) > 1:
            self._divided = nn.DataParallel(
                _Step(self.lightning_module), [each.index for each in self.parallel_devices]
            )

    def training_step(self, *arguments: Any, **options: Any) -> Any:
        """One batch, a part of it on each device. Measuring stays on the first: copies would lose what they count."""
        if self._divided is None:
            return super().training_step(*arguments, **options)
        with self.precision_plugin.train_step_context():
            total, samples = self._divided(*arguments, **options)
            return total.sum() / samples.sum()

    def teardown(self) -> None:
        """Copies go when training has ended."""
        self._divided = None
        super().teardown()

    def model_to_device(self) -> None:
        """The weights stay on the first device."""
        if self.model is not None:
            self.model.to(self.root_device)

    def reduce(self, tensor: Any, *arguments: Any, **options: Any) -> Any:
        """The mean over what devices gave; outputs of one device are as they are."""
        return tensor.mean() if isinstance(tensor, Tensor) and tensor.is_floating_point() else tensor

    def all_gather(self, tensor: Tensor, group: Any = None, sync_grads: bool = False) -> Tensor:
        """There is one process."""
        return tensor

    def barrier(self, name: str | None = None) -> None:
        """There is nobody to wait for."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """There is nobody to tell."""
        return obj


class _Step(nn.Module):
    """A training step as the call of a module, which is what can be copied to devices.

    Args:
        module: The Lightning module.
    """

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Any, *arguments: Any, **options: Any) -> tuple[Tensor, Tensor]:
        """The loss of a part of the batch times its samples, and how many those are: each a tensor of one number."""
        output = self.module.training_step(batch, *arguments, **options)
        loss = output["loss"] if isinstance(output, Mapping) else output
        first = next(leaf for leaf in tree_leaves(batch) if isinstance(leaf, Tensor))
        samples = torch.tensor([float(len(first))], device=loss.device)
        return loss.reshape(1) * samples, samples
