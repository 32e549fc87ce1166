"""The strategy ``${module}_patient``."""

from __future__ import annotations

from datetime import timedelta

from lightning.pytorch.strategies import DDPStrategy


class Patient(DDPStrategy):
    """DDP whose processes wait up to two hours for one another, where the first of them has long work to do alone."""

    def __init__(self) -> None:
        super().__init__(timeout=timedelta(hours=2))
