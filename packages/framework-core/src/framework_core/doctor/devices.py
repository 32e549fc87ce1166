"""The GPUs: what torch sees, against what the driver says is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from framework_core.doctor.finding import Finding
from framework_core.doctor.installer import installed_version, pip

LIMIT_SECONDS = 20.0
GIB = 2**30
GUIDE = "https://pytorch.org/get-started/locally"


def gpus(torch: Mapping[str, Any]) -> Iterator[Finding]:
    """Every GPU that computes, and why one does not.

    Args:
        torch: What torch said of itself in a process of its own.
    """
    for gpu in torch["gpus"]:
        if gpu["error"]:
            yield Finding("torch", "problem", f"{gpu['name']} does not compute: {gpu['error']}", _other_build())
        else:
            yield Finding("torch", "ok", f"{gpu['name']}, {gpu['memory'] / GIB:.0f} GiB")
    if not torch["gpus"]:
        yield _without_gpu(torch)


def _without_gpu(torch: Mapping[str, Any]) -> Finding:
    names, failure = _driver()
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if failure:
        return Finding("torch", "warning", f"nvidia-smi fails: {failure}", _mended_driver(failure))
    if names and not torch["build"]:
        detail = f"{names} is there, and torch {installed_version('torch')} is a build without CUDA"
        return Finding("torch", "warning", detail, _other_build())
    if names and hidden is not None and hidden.strip() in ("", "-1"):
        detail = f"{names} is there, and hidden by CUDA_VISIBLE_DEVICES={hidden!r}"
        return Finding("torch", "warning", detail, "unset CUDA_VISIBLE_DEVICES")
    if names:
        said = " ".join(torch["warnings"]).partition("\n")[0] or "it gives no reason"
        detail = f"{names} is there, and torch {installed_version('torch')} cannot use it: {said}"
        return Finding("torch", "problem", detail, _other_build())
    if torch["mps"]:
        return Finding("torch", "ok", "the GPU of this Mac (MPS)")
    return Finding("torch", "ok", "no GPU; the processor trains")


def _driver() -> tuple[str, str]:
    """The GPUs that NVIDIA's driver names, and what it says where it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "", ""
    try:
        command = [program, "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return "", f"no answer within {LIMIT_SECONDS:.0f} s"
    except OSError as error:
        return "", str(error)
    lines = [line.strip() for line in (done.stdout or done.stderr).splitlines() if line.strip()]
    if done.returncode:
        return "", lines[0] if lines else f"exit code {done.returncode}"
    return ", ".join(lines), ""


def _mended_driver(failure: str) -> str:
    return "sudo reboot" if "mismatch" in failure.lower() else "nvidia-smi -q"


def _other_build() -> str:
    return f"{pip('install --force-reinstall', 'torch', 'torchvision')}  # builds for other drivers: {GUIDE}"
