"""What a process does together with others, written down while nobody else is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from framework_core.rehearsal.told import Call
from framework_core.training.places import place

NAMES = {
    "allreduce_": "all_reduce",
    "allreduce_coalesced_": "all_reduce",
    "allgather_": "all_gather",
    "_allgather_base_": "all_gather",
    "allgather_coalesced_": "all_gather",
    "allgather_into_tensor_coalesced_": "all_gather",
    "reduce_scatter_": "reduce_scatter",
    "_reduce_scatter_base_": "reduce_scatter",
    "reduce_scatter_tensor_coalesced_": "reduce_scatter",
    "broadcast_": "broadcast",
    "alltoall_": "all_to_all",
    "alltoall_base_": "all_to_all",
    "reduce_": "reduce",
    "gather_": "gather",
    "scatter_": "scatter",
    "recv_": "recv",
}
"""torch's operators by the functions that people call."""

METRICS = "torchmetrics.utilities.distributed"
LOGGED = "lightning.pytorch.trainer.connectors.logger_connector.result"

OBJECTS: dict[str, Callable[..., Any]] = {
    "all_gather_object": lambda found, mine, *rest, **options: _fill(found, mine),
    "gather_object": lambda mine, found=None, *rest, **options: _fill(found or [], mine),
    "broadcast_object_list": lambda objects, *rest, **options: None,
}
"""What exchanges Python objects, as if everyone had the same; sizes of objects differ, and that is no fault."""


def pretend(rank: int, ranks: int) -> None:
    """Make this process one of many that are not there: what it gets from others is what it has itself.

    Args:
        rank: Its number.
        ranks: How many there would be.
    """
    options: Any = None
    backend: Any = torch._C._distributed_c10d.FakeProcessGroup
    if hasattr(getattr(backend, "Options", None), "simulate_uniform_ranks"):
        options = backend.Options()
        options.simulate_uniform_ranks = True
    dist.init_process_group("fake", rank=rank, world_size=ranks, store=FakeStore(), pg_options=options)


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down what is done together.

    Args:
        model: The model whose parts are named where no line of the user's own is.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[Call] = []
        self.when = "before training"
        self._part = ""
        self._names = {id(each): name for name, each in model.named_modules()}
        self._inside: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch for every operator."""
        if func.namespace == "c10d":
            name = func.overloadpacket.__name__
            self._note(NAMES.get(name, name.strip("_")), _shapes(args))
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> Calls:
        """Begin, with what exchanges objects too."""
        self._before = {name: getattr(dist, name) for name in OBJECTS}
        for name, instead in OBJECTS.items():
            setattr(dist, name, self._noted(name, instead))
        self._hooks = [
            nn.modules.module.register_module_forward_pre_hook(self._enters),
            nn.modules.module.register_module_forward_hook(self._leaves, always_call=True),
        ]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        """End, and leave torch as it was."""
        super().__exit__(*exception)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()
        for name, function in self._before.items():
            setattr(dist, name, function)

    def at(self, when: str, part: str = "") -> None:
        """Go on to another part of the training.

        Args:
            when: ``step 1``, ``validation``.
            part: What of it the framework does itself: ``the backward pass``.
        """
        self.when, self._part = when, part

    def _noted(self, name: str, instead: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._note(name, "")
            return instead(*arguments, **options)

        return call

    def _note(self, name: str, of: str) -> None:
        frame = sys._getframe(2)
        if _in(frame, METRICS) is not None or name == "barrier":
            of = ""  # metrics make their tensors as large as the largest of all processes
        self.found.append(Call(name, of, self.when, self._where(frame)))

    def _where(self, frame: FrameType) -> str:
        inside = self._inside[-1] if self._inside else ""
        if own := place(frame):
            return f"at {own}, for {inside}" if inside else f"at {own}"
        logged = _in(frame, LOGGED)
        if logged is not None and (meta := getattr(logged.f_locals.get("self"), "meta", None)) is not None:
            return f"for what was logged as {meta.name}"
        return f"in {self._part or inside or 'what training does itself'}"

    def _enters(self, module: nn.Module, inputs: Any) -> None:
        self._inside.append(self._names.get(id(module), ""))

    def _leaves(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        if self._inside:
            self._inside.pop()


def _shapes(arguments: Sequence[Any]) -> str:
    """What is exchanged, each kind once."""
    tensors = [each for each in tree_leaves(list(arguments)) if isinstance(each, Tensor)]
    told = [f"{'x'.join(map(str, each.shape)) or '1'} {str(each.dtype).removeprefix('torch.')}" for each in tensors]
    return ", ".join(dict.fromkeys(told))


def _in(frame: FrameType | None, module: str) -> FrameType | None:
    """The innermost frame of a module."""
    while frame is not None and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    return frame


def _fill(found: list[Any], mine: Any) -> None:
    found[:] = [mine] * len(found)
