"""What is known of the device that trains, as far as speed depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

CPU_FLAGS = Path("/proc/cpuinfo")
BF16_FLAGS = ("amx_bf16", "avx512_bf16")


@dataclass(frozen=True)
class Device:
    """The device that trains."""

    kind: str
    """``cpu``, ``cuda`` or ``mps``."""

    bf16: bool
    """Whether it multiplies bf16 numbers in hardware."""


def device(accelerator: str) -> Device:
    """The device that an accelerator of Lightning's stands for."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return Device("cuda", bf16=torch.cuda.get_device_capability() >= (8, 0))
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return Device("mps", bf16=False)
    return Device("cpu", bf16=_cpu_has_bf16())


def _cpu_has_bf16() -> bool:
    try:
        flags = CPU_FLAGS.read_text(encoding="utf-8", errors="replace").partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return any(flag in flags for flag in BF16_FLAGS)
