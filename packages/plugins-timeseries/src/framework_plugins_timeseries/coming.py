"""What comes after the end of a file's series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from framework_plugins_timeseries.coming_windows import FORECAST, ComingWindow


class ComingSteps(Dataset[Tensor]):
    """One window at the end of each series; its rows are the steps that follow.

    Args:
        windows: The file of each, and the window.
    """

    def __init__(self, windows: Sequence[tuple[Path, ComingWindow]]) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.windows[index][1].values)

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One row for each step and target: the forecast and its interval, on the scale of the data."""
        found = []
        windows = iter(self.windows)
        for batch in batches:
            for index in range(len(batch["forecast"])):
                path, window = next(windows)
                said = {key: batch[key][index].double().cpu().numpy() for key in FORECAST if key in batch}
                rows = window.rows({**said, "level": batch.get("level")})
                found += [{"path": str(path), **row} for row in rows]
        return found
