"""Memory that runs out, in words: torch tells it in several ways, on a GPU and on the processor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from framework_core.contracts.config import RunConfig
from framework_core.errors import OutOfMemoryError

ON_THE_PROCESSOR = re.compile(r"you tried to allocate (\d+) bytes")
ON_A_GPU = re.compile(r"[Tt]ried to allocate ([\d.]+ [KMGT]?i?B)")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory is used up."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or bool(ON_THE_PROCESSOR.search(str(error)))


@contextmanager
def memory_errors(config: RunConfig) -> Iterator[None]:
    """Say what would take less memory, where it runs out.

    Raises:
        OutOfMemoryError: It ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(wanted(str(error)), batch_size=getattr(config.dataset, "batch_size", None)) from error


def wanted(text: str) -> str:
    """How much was asked for at last, in words, by what torch said."""
    if on_processor := ON_THE_PROCESSOR.search(text):
        return f"{int(on_processor[1]) / 1e9:,.1f} GB"
    on_gpu = ON_A_GPU.search(text)
    return on_gpu[1] if on_gpu else "bytes"
