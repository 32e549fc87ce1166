"""Where published sets are fetched from, with their digests. Read without torch."""

from __future__ import annotations

from framework_core.download import RemoteFile

_ETT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small"

FILES = {
    "etth1": (
        RemoteFile(
            f"{_ETT}/ETTh1.csv",
            "sha256:f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
            size=2_589_657,
        ),
    ),
}
"""By dataset. One whose digest is not known here is not fetched: ``dataset.path`` names it."""
