"""Where published sets are fetched from, with their digests. Read without torch."""

from __future__ import annotations

from framework_core.download import RemoteFile

_TREC = "https://cogcomp.seas.upenn.edu/Data/QA/QC"

FILES = {
    "trec": (
        RemoteFile(
            f"{_TREC}/train_5500.label",
            "sha256:9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
            size=335_858,
        ),
        RemoteFile(
            f"{_TREC}/TREC_10.label",
            "sha256:033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
            size=23_354,
        ),
    ),
}
"""By dataset."""
