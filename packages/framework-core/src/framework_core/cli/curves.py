"""Runs on a terminal: a curve of each metric in a line, with the numbers beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from framework_core.durations import clock

if TYPE_CHECKING:
    from rich.console import Group

    from framework_core.tracking.watching import Point, Watched

BARS = "▁▂▃▄▅▆▇█"
SILENT_SECONDS = 60
"""After this long without anything new a running run is said to be silent: its process may be gone."""

SYSTEM = (
    ("cpu", "system/cpu_utilization_percentage", "{:.0f} %"),
    ("memory", "system/system_memory_usage_percentage", "{:.0f} %"),
    ("gpu", "system/gpu_0_utilization_percentage", "{:.0f} %"),
    ("gpu memory", "system/gpu_0_memory_usage_percentage", "{:.0f} %"),
    ("disk", "system/disk_usage_percentage", "{:.0f} %"),
)


def curve(points: Sequence[Point], width: int) -> str:
    """Points as a line of bars, the highest value the highest bar.

    Args:
        points: Steps and values, in order.
        width: Characters; each stands for an equal part of the steps.
    """
    known = [(step, value) for step, value in points if not math.isnan(value)]
    if not known or width < 1:
        return ""
    first, last = known[0][0], known[-1][0]
    cells: list[list[float]] = [[] for _ in range(min(width, len(known)))]
    for step, value in known:
        place = (step - first) * len(cells) // (last - first + 1)
        cells[place].append(value)
    means = [sum(cell) / len(cell) if cell else None for cell in cells]
    low, high = (pick(each for each in means if each is not None) for pick in (min, max))
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    return "".join(" " if each is None else BARS[round((each - low) * scale)] for each in means)


def panel(watched: Sequence[Watched], width: int) -> Group:
    """All runs, one below the other."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Text] = []
    for each in watched:
        parts += [Text(heading(each), style="bold"), *(Text(line) for line in body(each, width)), Text("")]
    return Group(*parts)


def heading(each: Watched) -> str:
    """Name, state, step and speed."""
    said = [each.row.name, each.row.status, f"step {each.step}"]
    if each.row.seconds is not None:
        said.append(clock(each.row.seconds))
    if speed := steps_a_second(each):
        said.append(f"{speed:.1f} steps/s")
    silent = time.monotonic() - each.changed
    if each.row.is_running and silent > SILENT_SECONDS:
        said.append(f"silent for {clock(silent)}")
    return "  ".join(said)


def body(each: Watched, width: int) -> list[str]:
    """A line for each metric, and one for the machine."""
    names = sorted((name for name in each.row.metrics if not name.startswith("system/")), key=_rank)
    longest = max(map(len, names), default=0)
    room = max(8, min(60, width - longest - 16))
    lines = [
        f"  {name.ljust(longest)}  {curve(each.curves[name], room).ljust(room)}  {each.row.metrics[name]:.4g}"
        for name in names
    ]
    used = [f"{what} {form.format(each.row.metrics[name])}" for what, name, form in SYSTEM if name in each.row.metrics]
    return [*lines, f"  machine: {', '.join(used)}"] if used else lines


def summary(each: Watched) -> str:
    """A run in one line, for a log."""
    names = sorted((name for name in each.row.metrics if not name.startswith("system/")), key=_rank)
    return "  ".join([heading(each), *(f"{name} {each.row.metrics[name]:.4g}" for name in names)])


def steps_a_second(each: Watched) -> float:
    """The mean speed of the training so far; 0 where it is not known."""
    return each.step / each.row.seconds if each.row.seconds and each.row.is_running else 0.0


def _rank(name: str) -> tuple[int, str]:
    split = name.partition("/")[0]
    return ({"train": 0, "val": 1, "test": 2}.get(split, 3), name)
