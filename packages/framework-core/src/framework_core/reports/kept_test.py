"""What a run has kept of the samples of its test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.errors import DataError, quoted
from framework_core.model_registry.lookup import find
from framework_core.model_registry.version import read_reference
from framework_core.reports.recorded_run import open_run
from framework_core.tracking.here import RUNNING
from framework_core.tracking.lookup import RECORD, RUNS, TESTED


@dataclass(frozen=True)
class KeptTest:
    """A run and its test.

    Attributes:
        run: Its name.
        ids: What it is called in logs.
        kept: What ``training.tested_samples`` wrote.
    """

    run: str
    ids: frozenset[str]
    kept: Mapping[str, Any]


def kept_test(run: str, *, tracking_uri: str = "", output_dir: Path | None = None) -> KeptTest:
    """The test of a run.

    Args:
        run: Its id, the beginning of it, its name, its folder, or ``last``; or ``NAME@STAGE`` or ``NAME/NUMBER``.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        DataError: It has kept nothing.
        RunNotFoundError: There is no such run.
        UnknownNameError: There is no such registered model.
    """
    output_dir = output_dir or RUNS
    here = any((each / run / RECORD).is_file() for each in (Path(), output_dir))
    version = None if here or not read_reference(run) else find(run, tracking_uri=tracking_uri)
    asked, uri = (run, tracking_uri) if version is None else (version.run_id, version.tracking_uri)
    with open_run(asked, tracking_uri=uri, output_dir=output_dir) as (recorded, files):
        text = files.read(TESTED)
    kept = json.loads(text) if text else {}
    if not kept and recorded.status == RUNNING:
        raise DataError(
            f"The run {recorded.name!r} is still going.",
            possible="What its test came to is kept when it has ended.",
            next_step=f"See how it goes: fw watch {quoted(recorded.name)}",
        )
    if not kept:
        raise DataError(
            f"The run {recorded.name!r} has kept nothing of its test.",
            possible="A run does that has a test and mlops.report=true, on one device, with a BaseModel.",
            next_step=f"Train it again: fw train --config runs/{quoted(recorded.name)}/config.yaml",
        )
    return KeptTest(recorded.name, frozenset({recorded.run_id, recorded.name}), kept)
