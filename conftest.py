"""Tests with many cases run some of them, which ones says the commit; with ``ALL_CASES`` set they run all."""

from __future__ import annotations

import os
import random
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest


def _seed() -> str:
    """The commit, so that every process draws the same and every commit others."""
    command = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of each test marked ``some_of(count)``, leave so many cases."""
    if os.environ.get("ALL_CASES") or any("[" in word for word in config.args):
        return
    cases: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if marker := item.get_closest_marker("some_of"):
            cases[item.nodeid.partition("[")[0], marker.args[0]].append(item)
    seed = _seed() if cases else ""
    left_out: set[pytest.Item] = set()
    for (name, count), found in cases.items():
        kept = random.Random(seed + name).sample(found, min(count, len(found)))
        left_out |= {*found} - {*kept}
    items[:] = [item for item in items if item not in left_out]
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
