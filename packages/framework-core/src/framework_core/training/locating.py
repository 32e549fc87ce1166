"""Where a number that is none comes from: the first layer whose output is not finite, or the first such gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

QUIETENED = ("log", "log_dict")
"""What a model calls in a step and a second look at the step must not repeat."""


@dataclass(frozen=True)
class Origin:
    """Where it began."""

    kind: str
    """``batch``, ``layer``, ``loss``, ``gradient``, ``weight`` or ``unknown``."""

    name: str = ""
    """The layer or the parameter."""

    def __str__(self) -> str:
        told = {
            "batch": "the batch itself is not finite",
            "layer": f"the first layer whose output is not finite is {self.name!r}",
            "loss": "every layer's output is finite, the loss is not",
            "gradient": f"the first gradient that is not finite is that of {self.name!r}",
            "weight": f"the weights {self.name!r} are not finite",
        }
        return told.get(self.kind, "where it began cannot be seen any more")


def is_finite(value: Any) -> bool:
    """Whether every number in tensors, however nested, is one."""
    if isinstance(value, Tensor):
        return not (value.is_floating_point() or value.is_complex()) or bool(torch.isfinite(value).all())
    if isinstance(value, Mapping):
        return all(is_finite(each) for each in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return all(is_finite(each) for each in value)
    return True


def first_bad_weight(module: nn.Module) -> str:
    """The first parameter that is not finite; empty where there is none."""
    norms = [torch.linalg.vector_norm(_own(each.detach())) for each in module.parameters()]
    if not norms or bool(torch.isfinite(torch.stack([each.float().to(norms[0].device) for each in norms])).all()):
        return ""
    return next((name for name, parameter in module.named_parameters() if not is_finite(parameter.detach())), "")


def _own(tensor: Tensor) -> Tensor:
    """This process's part of a tensor that is spread over several."""
    local = getattr(tensor, "to_local", None)
    return local() if local is not None else tensor


def first_bad_gradient(module: nn.Module) -> str:
    """The parameter nearest to the loss whose gradient is not finite: backward begins there."""
    named = list(module.named_parameters())
    return next((name for name, each in reversed(named) if each.grad is not None and not is_finite(each.grad)), "")


def origin(module: LightningModule, batch: Any, step: Any) -> Origin:
    """Run a training step once more, looking at every layer; nothing is changed.

    Args:
        module: The model.
        batch: The batch, on the model's device.
        step: The training step, without arguments.
    """
    if not is_finite(batch):
        return Origin("batch")
    if weight := first_bad_weight(module):
        return Origin("weight", weight)
    found: list[str] = []

    def looked_at(name: str) -> Any:
        def look(layer: nn.Module, inputs: Any, output: Any) -> None:
            if not found and not is_finite(output):
                found.append(name)

        return look

    hooks = [layer.register_forward_hook(looked_at(name)) for name, layer in module.named_modules() if name]
    try:
        with unchanged(module), torch.no_grad():
            loss = step()
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return Origin("layer", found[0])
    return Origin("unknown") if is_finite(loss) else Origin("loss")


@contextmanager
def unchanged(module: LightningModule) -> Iterator[None]:
    """Buffers and random numbers as they were afterwards, and nothing logged meanwhile."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    devices = [module.device] if module.device.type == "cuda" else []
    hidden = {name: vars(module)[name] for name in QUIETENED if name in vars(module)}
    with torch.random.fork_rng(devices=devices):
        vars(module).update(dict.fromkeys(QUIETENED, _nothing))
        try:
            yield
        finally:
            for name in QUIETENED:
                vars(module).pop(name, None)
            vars(module).update(hidden)
            with torch.no_grad():
                for name, buffer in module.named_buffers():
                    if name in buffers:
                        buffer.copy_(buffers[name])


def _nothing(*arguments: Any, **options: Any) -> None:
    return None
