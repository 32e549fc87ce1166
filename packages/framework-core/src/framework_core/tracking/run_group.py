"""Runs that belong together, one for each value of a setting: what each reached, kept in a folder and in the store."""

from __future__ import annotations

import csv
import io
import json
import logging
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework_core.contracts.config import RunConfig
from framework_core.tracking.lookup import write_whole
from framework_core.tracking.sender import first_line
from framework_core.tracking.store import tracking_uri
from framework_core.tracking.store_calls import client_of, run_of_group, silent_mlflow

GROUP, TABLE = "group.json", "each.csv"
_log = logging.getLogger("framework_core")


@dataclass
class Member:
    """One run of a group.

    Attributes:
        values: The value of each setting that varies, by its path.
        name: The name of the run.
        run_id: Its id in the tracking store, or its name.
        metrics: What it reached; empty until it has ended.
    """

    values: dict[str, str]
    name: str
    run_id: str = ""
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether it has ended well."""
        return bool(self.run_id)


@dataclass
class RunGroup:
    """Runs that differ in some settings.

    Attributes:
        directory: Its folder.
        digest: What tells these settings from others.
        members: The runs, in order.
        started: Milliseconds since 1970.
        run_id: The run of the tracking store under which the others stand; empty where there is none.
    """

    directory: Path
    digest: str
    members: list[Member]
    started: int = field(default_factory=lambda: int(time.time() * 1000))
    run_id: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return self.directory.name

    @property
    def is_done(self) -> bool:
        """Whether all of its runs have ended."""
        return all(member.is_done for member in self.members)

    @property
    def measures(self) -> list[str]:
        """The metrics that all its runs have: those of the test, or of validation where there is no test."""
        shared = set.intersection(*(set(member.metrics) for member in self.members))
        for split in ("test/", "val/", ""):
            if found := sorted(name for name in shared if name.startswith(split)):
                return found
        return []

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each metric over the runs."""
        return {name: statistics.fmean(self._values(name)) for name in self.measures}

    @property
    def std(self) -> dict[str, float]:
        """The deviation of each metric over the runs, that of a sample; empty for a single run."""
        if len(self.members) < 2:
            return {}
        return {name: statistics.stdev(self._values(name)) for name in self.measures}

    def _values(self, name: str) -> list[float]:
        return [member.metrics[name] for member in self.members]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each run, then the mean and the deviation."""
        varying = list(self.members[0].values)
        rows: list[dict[str, Any]] = [
            {**member.values, "run": member.name, **{name: member.metrics[name] for name in self.measures}}
            for member in self.members
        ]
        for word, numbers in (("mean", self.mean), ("std", self.std)):
            if numbers:
                rows.append({**dict.fromkeys([*varying, "run"], ""), varying[0]: word, **numbers})
        return rows

    def write(self) -> None:
        """Write it into its folder."""
        self.directory.mkdir(parents=True, exist_ok=True)
        facts = {name: value for name, value in vars(self).items() if name not in ("directory", "members")}
        facts["members"] = [vars(member) for member in self.members]
        write_whole(self.directory / GROUP, json.dumps(facts, indent=2) + "\n")
        if self.is_done:
            write_whole(self.directory / TABLE, _as_csv(self.rows()))

    @classmethod
    def read(cls, directory: Path) -> RunGroup:
        """Read it from its folder."""
        facts = json.loads((directory / GROUP).read_text("utf-8"))
        members = [Member(**member) for member in facts.pop("members")]
        return cls(directory, members=members, **facts)

    @classmethod
    def unfinished(cls, output_dir: Path, digest: str) -> RunGroup | None:
        """The newest group with these settings that was not brought to its end."""
        groups = [cls.read(file.parent) for file in output_dir.glob(f"[!.]*/{GROUP}")]
        open_ones = [group for group in groups if group.digest == digest and not group.is_done]
        return max(open_ones, key=lambda group: group.started, default=None)


def record(group: RunGroup, config: RunConfig) -> None:
    """Record a group in the store as a run of its own, with its runs under it; a store that is away costs a warning.

    Args:
        group: Its runs have ended.
        config: The settings of one of them.
    """
    tracking = config.mlops.tracking
    if tracking.backend != "mlflow" or tracking.offline:
        return
    uri = tracking_uri(tracking)
    metrics = {**group.mean, **{f"{name}/std": value for name, value in group.std.items()}}
    try:
        with silent_mlflow():
            group.run_id = run_of_group(
                client_of(uri),
                experiment=config.experiment.name,
                name=group.name,
                started=group.started,
                members=[member.run_id for member in group.members],
                params={path: ", ".join(member.values[path] for member in group.members) for path in _varying(group)},
                metrics=metrics,
                table=group.directory / TABLE,
            )
    except Exception as error:  # noqa: BLE001  # each store's driver has errors of its own
        _log.warning("The group is not in the tracking store, its runs are: %s", first_line(error))


def _varying(group: RunGroup) -> Sequence[str]:
    return list(group.members[0].values)


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
