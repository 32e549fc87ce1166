"""What makes training faster: chosen by the device where nobody chose, and applied for the time of a run.

What is chosen rests on measurements. On CPUs with bf16 units, bf16 autocast, channels_last and fused AdamW together
give 1.9 times the speed of 32 bits for resnet18 and 1.3 times for a small ViT; without such units bf16 halves it and
channels_last costs a tenth, so there only the fused optimizer is taken. That takes a quarter of a plain one's time,
whatever the size: of a GPT of 800,000 parameters it saves 6 % of a step, of a network of 7,000 a fifth.
``torch.compile`` costs a minute or two at the first step and is never chosen.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from framework_core.base.model import BaseModel
from framework_core.contracts.config import RunConfig
from framework_core.errors import ConfigError, ConfigProblem, ContractError
from framework_core.process import is_main_process
from framework_core.training.device import Device
from framework_core.training.strategies.optimizers import can_be_fused

SMALL = 1_000_000
"""With fewer parameters a step is too short to gain from anything but a fused optimizer, which always helps."""

COMPILERS = ("g++", "clang++", "cl")

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Choice:
    """A setting that was chosen by the device."""

    setting: str
    value: Any
    otherwise: str
    """What to type for the opposite."""


def choices(config: RunConfig, model: LightningModule, device: Device) -> list[Choice]:
    """What to choose for a model on a device, where nothing was said."""
    if not config.performance.auto or not isinstance(model, BaseModel):
        return []
    fast = device.bf16 and device.kind in ("cpu", "cuda") and _parameters(model) >= SMALL
    found = []
    if fast and config.trainer.precision is None:
        found.append(Choice("trainer.precision", "bf16-mixed", "trainer.precision=32-true"))
    if fast and config.performance.channels_last is None and has_convolutions(model):
        found.append(Choice("performance.channels_last", True, "performance.channels_last=false"))
    if fast and device.kind == "cuda" and config.performance.matmul_precision is None:
        found.append(Choice("performance.matmul_precision", "high", "performance.matmul_precision=highest"))
    if _can_be_fused(config, model, device):
        found.append(Choice("optimizer.fused", True, "optimizer.fused=false"))
    return found


def with_choices(config: RunConfig, chosen: list[Choice]) -> RunConfig:
    """The settings with what was chosen in them."""
    sections: dict[str, dict[str, Any]] = {}
    for choice in chosen:
        section, _, name = choice.setting.partition(".")
        sections.setdefault(section, {})[name] = choice.value
    update = {name: getattr(config, name).model_copy(update=values) for name, values in sections.items()}
    return config.model_copy(update=update)


def say(chosen: list[Choice], device: Device) -> None:
    """Each choice in a line, with what to type for the opposite."""
    if not chosen or not is_main_process():
        return
    _log.info("Chosen for this device (%s%s):", device.kind, ", with bf16 units" if device.bf16 else "")
    width = max(len(choice.setting) for choice in chosen)
    for choice in chosen:
        value = str(choice.value).lower() if isinstance(choice.value, bool) else choice.value
        _log.info("  %s  %s  else: %s", choice.setting.ljust(width), str(value).ljust(10), choice.otherwise)


@contextmanager
def applied(config: RunConfig, model: LightningModule) -> Iterator[None]:
    """Make it fast for a while; afterwards the model is as any other.

    Raises:
        ConfigError: It cannot be compiled here.
        ContractError: The model cannot compute activations again.
    """
    settings = config.performance
    before = torch.get_float32_matmul_precision()
    if settings.matmul_precision is not None:
        torch.set_float32_matmul_precision(settings.matmul_precision)
    if settings.gradient_checkpointing:
        _enable_gradient_checkpointing(model)
    hook = _to_channels_last(model) if settings.channels_last else None
    compiled = _compile(model, config) if settings.compile else []
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        for part in compiled:
            part._compiled_call_impl = None
        if hook is not None:
            hook.remove()
            model.to(memory_format=torch.contiguous_format)


def has_convolutions(model: nn.Module) -> bool:
    """Whether it works on images."""
    return any(isinstance(part, nn.Conv2d) for part in model.modules())


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _can_be_fused(config: RunConfig, model: nn.Module, device: Device) -> bool:
    optimizer = config.optimizer
    if getattr(optimizer, "fused", False) is not None or device.kind not in ("cpu", "cuda"):
        return False
    # torch's fused optimizers take neither complex numbers nor sparse gradients.
    if not all(each.is_floating_point() for each in model.parameters() if each.requires_grad):
        return False
    if any(getattr(part, "sparse", False) for part in model.modules()):
        return False
    # Lightning does not clip gradients that a fused optimizer unscales itself.
    if config.trainer.gradient_clip_val is not None or getattr(optimizer, "foreach", None) is not None:
        return False
    return can_be_fused(config)


def _to_channels_last(model: LightningModule) -> Any:
    model.to(memory_format=torch.channels_last)
    return model.register_forward_pre_hook(_inputs_to_channels_last)


def _inputs_to_channels_last(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        each.contiguous(memory_format=torch.channels_last) if isinstance(each, Tensor) and each.ndim == 4 else each
        for each in inputs
    )


def _compile(model: LightningModule, config: RunConfig) -> list[nn.Module]:
    """Compile each part in place: names of weights in checkpoints stay what they are."""
    settings = config.performance
    if settings.compile_backend == "inductor" and not any(shutil.which(each) for each in COMPILERS):
        message = f"torch.compile needs a C++ compiler ({' or '.join(COMPILERS)}), and none is installed"
        raise ConfigError([ConfigProblem("performance.compile", message)])
    known = torch._dynamo.list_backends(exclude_tags=())
    if settings.compile_backend not in known:
        message = f"torch has no such backend; there are {', '.join(known)}"
        raise ConfigError([ConfigProblem("performance.compile_backend", message, value=settings.compile_backend)])
    mode = settings.compile if isinstance(settings.compile, str) else None
    parts = [part for part in model.children() if any(True for _ in part.parameters())]
    for part in parts:
        if settings.compile_backend == "inductor":
            part.compile(mode=mode)
        else:
            part.compile(backend=settings.compile_backend)
    return parts


def _enable_gradient_checkpointing(model: LightningModule) -> None:
    if not isinstance(model, BaseModel):
        raise ContractError(
            f"{type(model).__name__} cannot compute activations again", ["it is no framework_core.BaseModel"]
        )
    model.enable_gradient_checkpointing()
