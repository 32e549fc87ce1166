"""Lightning, and what it calls, without remarks on what this framework decides."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lightning without its hints on what this framework decides: devices, workers, other products."""
    names = ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch", "lightning.fabric", "huggingface_hub")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR if name == "huggingface_hub" else logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
            warnings.filterwarnings("ignore", message="Your `IterableDataset` has `__len__` defined.*")  # it is exact
            warnings.filterwarnings("ignore", message="Total length of .* across ranks is zero")  # no such split
            warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")
            warnings.filterwarnings("ignore", message="GPU available but not used.*")  # as the settings say
            # With 16 bits the scale of the loss is found by leaving the first steps out.
            warnings.filterwarnings("ignore", message=r"Detected call of `lr_scheduler.step\(\)` before.*")
            warnings.filterwarnings(
                "ignore", message=".*resuming from a checkpoint that ended before the epoch ended.*"
            )
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
