"""Which tests are run where all would take too long: the commit draws them. With ``ALL_CASES`` set all are run.

Of a test marked ``some_of(count)`` so many cases are run, and of the tests marked ``drawn`` each fifth; of one that is
marked with both, so many cases each fifth time. Another commit draws others, so that each is run every few commits;
``nox -s catalogue`` runs all.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

SHARE = 1 / 5
"""Of the tests that are drawn."""


def _drawn_by(item: pytest.Item) -> str:
    """The name by which a test is drawn: its own, or of its file, which shares what takes long; empty draws nothing."""
    marker = item.get_closest_marker("drawn")
    if marker is None:
        return ""
    if item.get_closest_marker("some_of"):
        # Some cases of it are always run, unless it is itself marked, and not only its file.
        itself = any(each.name == "drawn" for each in item.own_markers)
        return item.nodeid.partition("[")[0] if itself else ""
    return item.nodeid.partition("::")[0] if marker.args == ("file",) else item.nodeid


def _seed() -> str:
    """The commit, so that every process draws the same and every commit others."""
    command = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is drawn; where groups of tests are spread over processes, long tests of a file are one."""
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    if os.environ.get("ALL_CASES") or any("[" in word for word in config.args):
        return
    cases: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if marker := item.get_closest_marker("some_of"):
            cases[item.nodeid.partition("[")[0], marker.args[0]].append(item)
    seed = _seed()
    left_out = {item for item in items if (name := _drawn_by(item)) and random.Random(seed + name).random() > SHARE}
    for (name, count), found in cases.items():
        kept = random.Random(seed + name).sample(found, min(count, len(found)))
        left_out |= {*found} - {*kept}
    items[:] = [item for item in items if item not in left_out]
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
