"""What a run leaves for people when it ends: plots, intervals, the worst mistakes, a model card."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from framework_core.base.model import BaseModel
from framework_core.contracts.config import RunConfig
from framework_core.plugins.registry import registry
from framework_core.secrets import conceal
from framework_core.tracking import plots
from framework_core.tracking.lineage import code_state
from framework_core.tracking.lookup import CONFIG, DUPLICATES, RESAMPLED, STEPS, TESTED, RunRecord
from framework_core.tracking.model_card import CardFacts, model_card
from framework_core.training import evidence, step_clock
from framework_core.training.bottleneck import Verdict
from framework_core.training.duplicates import Duplicates
from framework_core.training.evidence import Answers
from framework_core.training.preparation import Prepared
from framework_core.training.tested_samples import tested_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CARD = "model_card.md"
MISTAKES = 25
"""Samples on the figure of the worst mistakes."""

MOST_GROUPS = 500
"""Groups of a table; with more, there is none."""

Mistakes = tuple[list[Tensor], Tensor, Tensor]
"""Inputs, outputs and targets."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        metrics: Its last metrics.
        curves: Points by name.
        answers: What the model answered to the test, where it is known.
        alone: Whether one process has seen all of the test.
        steps: What the steps took and waited for, where there were enough.
    """

    metrics: Mapping[str, float]
    curves: Mapping[str, list[tuple[int, float]]]
    answers: Answers | None
    alone: bool
    steps: Verdict | None


class Report:
    """Tells of a run that has been tested.

    Args:
        config: The settings.
        prepared: Data and model.
        record: The run.
        outcome: What came of it.
    """

    def __init__(self, config: RunConfig, prepared: Prepared, record: RunRecord, outcome: Outcome) -> None:
        self._config = config
        self._prepared = prepared
        self._record = record
        self._outcome = outcome
        self._model = prepared.model.cpu().eval() if isinstance(prepared.model, BaseModel) else None
        self._answers = outcome.answers

    @cached_property
    def _resampled(self) -> evidence.Resampled | None:
        if self._model is None or self._answers is None:
            return None
        return evidence.resampled(self._model, self._answers)

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The interval of each metric of the test."""
        return {} if self._resampled is None else evidence.intervals(self._resampled)

    def write(self) -> list[Path]:
        """Write the files into the run's folder; return them."""
        folder = self._record.directory / "plots"
        folder.mkdir(exist_ok=True)
        written = []
        for name, figure in self._figures().items():
            written.append(folder / f"{name}.png")
            figure.savefig(written[-1])
        drawn = [f"plots/{path.name}" for path in written]
        written += self._tables()
        written += self._mistakes_files()
        card = self._record.directory / CARD
        card.write_text(conceal(model_card(self._facts(drawn))), encoding="utf-8")
        written.append(card)
        if self._resampled is not None:
            written.append(self._write("intervals.json", json.dumps(self.intervals, indent=2)))
            written.append(self._write(RESAMPLED, json.dumps(_short(self._resampled))))
        samples = None
        if self._model is not None:
            scored = self._model.scored_samples(*_pair(self._answers)) if self._outcome.alone else None
            samples = tested_samples(self._model, self._answers, self._losses, scored, self._prepared.datamodule)
        if samples is not None:
            written.append(self._write(TESTED, conceal(json.dumps(samples))))
        if self._prepared.duplicates is not None:
            written.append(self._write(DUPLICATES, json.dumps(_counts(self._prepared.duplicates), indent=2)))
        if self._outcome.steps is not None:
            facts = step_clock.facts(self._outcome.steps, self._config)
            written.append(self._write(STEPS, json.dumps(facts, indent=2)))
        return written

    def _write(self, name: str, text: str) -> Path:
        file = self._record.directory / name
        file.write_text(text, encoding="utf-8")
        return file

    def _figures(self) -> dict[str, Figure]:
        figures = {"learning_curves": plots.learning_curves(_worth_drawing(self._outcome.curves))}
        if self._model is not None:
            figures |= self._model.figures()
            if self._answers is not None:
                figures |= self._model.answers_figures(self._answers.outputs, self._answers.target)
            mistakes = None if self._worst is None else self._model.mistakes_figure(*self._worst)
            if mistakes is not None:
                figures["worst_mistakes"] = mistakes
        return figures

    def _tables(self) -> list[Path]:
        """The model's own tables and those of groups, in a folder of theirs."""
        tables = {name: rows for name, rows in {**self._by_group(), **self._own_tables()}.items() if rows}
        folder = self._record.directory / "tables"
        if tables:
            folder.mkdir(exist_ok=True)
        for name, rows in tables.items():
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return [folder / f"{name}.csv" for name in tables]

    def _own_tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return {} if self._model is None else self._model.tables()

    def _by_group(self) -> dict[str, list[dict[str, Any]]]:
        """The test by what its samples have in common, where that makes some groups and not one for each sample."""
        groups = getattr(self._prepared.datamodule, "groups", {}).get("test", {})
        if self._model is None or self._answers is None:
            return {}
        count = len(self._answers.target)
        return {
            f"per_{name}": evidence.by_group(self._model, self._answers, name, values)
            for name, values in groups.items()
            if len(values) == count and 1 < len(set(values)) <= min(MOST_GROUPS, count - 1)
        }

    @cached_property
    def _losses(self) -> list[float]:
        """The loss of each sample of the test; none where they are not known one by one."""
        return [] if self._model is None or self._answers is None else evidence.losses(self._model, self._answers)

    @cached_property
    def _worst(self) -> Mistakes | None:
        """The samples of the test with the highest loss."""
        dataset = getattr(self._prepared.datamodule, "test_dataset", None)
        model, answers = self._model, self._answers
        if model is None or answers is None or dataset is None or len(dataset) != len(answers.target):
            return None
        shows = (BaseModel.mistakes_figure, BaseModel.mistakes_files)
        if (type(model).mistakes_figure, type(model).mistakes_files) == shows:
            return None
        worst = sorted(range(len(self._losses)), key=self._losses.__getitem__, reverse=True)[:MISTAKES]
        return [dataset[index][0] for index in worst], answers.outputs[worst], answers.target[worst]

    def _mistakes_files(self) -> list[Path]:
        """What shows the worst mistakes beside a figure, in a folder of its own."""
        if self._model is None or self._worst is None:
            return []
        files = self._model.mistakes_files(*self._worst)
        folder = self._record.directory / "mistakes"
        if files:
            folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return [folder / name for name in files]

    def _facts(self, drawn: list[str]) -> CardFacts:
        offer = registry.resolve("model", self._config.model.name)
        code = code_state(Path.cwd())
        run = {
            "run": self._record.name,
            "run id": self._record.run_id,
            "tracking store": self._record.tracking_uri,
            "commit": f"{code.commit}, with changes that are not committed" if code.diff else code.commit,
            "model from": f"{offer.distribution} {offer.version}".strip(),
        }
        commands = {
            "Predict": f"fw predict {shlex.quote(self._record.name)} FILES -o predictions.csv",
            "Measure again": f"fw evaluate {shlex.quote(self._record.name)}",
            "Repeat the run": repeat_command(self._record),
        }
        return CardFacts(
            config=self._config,
            data=self._prepared.data,
            model=offer.spec,
            parameters=sum(each.numel() for each in self._prepared.model.parameters()),
            metrics=self._outcome.metrics,
            intervals=self.intervals,
            run=run,
            commands=commands,
            plots=drawn,
        )


def _short(found: evidence.Resampled) -> dict[str, Any]:
    metrics = {name: [float(f"{value:.6g}") for value in values] for name, values in found.metrics.items()}
    return {**asdict(found), "metrics": metrics}


def _pair(answers: Answers | None) -> tuple[Tensor | None, Tensor | None]:
    return (None, None) if answers is None else (answers.outputs, answers.target)


def _counts(found: Duplicates) -> dict[str, Any]:
    """How many, without the names of samples."""
    return {
        each.split: {"samples": each.size, "looked_at": each.looked_at, "exact": each.exact, "alike": each.alike}
        for each in found.overlaps
    }


def repeat_command(record: RunRecord) -> str:
    """The command that repeats a run."""
    return f"fw train --config {shlex.quote(str(record.directory / CONFIG))}"


def _worth_drawing(curves: Mapping[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float]]]:
    return {name: points for name, points in curves.items() if len(points) > 1 or name.startswith("val/")}
