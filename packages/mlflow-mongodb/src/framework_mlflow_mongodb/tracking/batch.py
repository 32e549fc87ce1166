"""A batch of metrics, parameters and tags of one run: what it changes, and when it may."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.marks import forms
from framework_mlflow_mongodb.tracking.points import Point
from framework_mlflow_mongodb.tracking.runs import RUN_NAME_FIELD

# Above this many keys the whole maps of a run are read; naming each field costs more.
_NAMED_FIELDS = 50


@dataclass(frozen=True)
class Batch:
    """A checked batch of one run.

    Args:
        run_id: The run.
        points: The points of each metric.
        model_metrics: Those of the metrics that belong to a logged model as well.
        params: Parameters by key.
        tags: Tags by key.
    """

    run_id: str
    points: dict[str, list[Point]]
    model_metrics: list[Metric]
    params: dict[str, str]
    tags: dict[str, str]

    @classmethod
    def of(cls, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> Batch:
        """Put the parts of a batch together."""
        points: dict[str, list[Point]] = {}
        for metric in metrics:
            points.setdefault(metric.key, []).append(Point.of(metric))
        return cls(
            run_id,
            points,
            [metric for metric in metrics if metric.model_id is not None],
            {param.key: param.value for param in params},
            {tag.key: tag.value for tag in tags},
        )

    @property
    def fields(self) -> Document:
        """Which fields of the run decide what the batch changes."""
        fields = [f"mm.{escape(key)}" for key in self.points] + [f"p.{escape(key)}" for key in self.params]
        if len(fields) > _NAMED_FIELDS:
            return {"exp": 1, "mm": 1, "p": 1}
        return {"exp": 1, **dict.fromkeys(fields, 1)}

    def changes(self, run: Document | None) -> tuple[Document, list[Document]]:
        """Return what to set in the run, and the conditions under which that is still right.

        Args:
            run: The run with `fields`; None to assume that all points are the latest and all parameters new.

        Raises:
            MlflowException: A parameter has another value already.
        """
        changes = tag_changes(self.tags)
        conditions: list[Document] = []
        known = run.get("mm", {}) if run else {}
        for key, points in self.points.items():
            point, field = max(points, key=_later), escape(key)
            if field not in known or point.rank > known[field]:
                changes |= {f"mv.{field}": point.number, f"mm.{field}": point.rank}
                # Missing, or earlier.
                conditions.append({f"mm.{field}": {"$not": {"$gte": point.rank}}})
        for field, value in self._new_params(run.get("p", {}) if run else {}).items():
            changes[field] = value
            conditions.append({field: {"$exists": False}})
        return changes, conditions

    def _new_params(self, known: dict[str, str]) -> Document:
        changed = [
            {"key": key, "old_value": known[escape(key)], "new_value": value}
            for key, value in self.params.items()
            if known.get(escape(key), value) not in forms(value)
        ]
        if changed:
            raise invalid(
                "Changing param values is not allowed. Params were already"
                f" logged='{changed}' for run ID='{self.run_id}'."
            )
        return {f"p.{escape(key)}": value for key, value in self.params.items() if escape(key) not in known}


def tag_changes(tags: dict[str, str]) -> Document:
    """Return the fields that tags set; the one that names the run is kept in two places."""
    changes: Document = {f"t.{escape(key)}": value for key, value in tags.items() if key != MLFLOW_RUN_NAME}
    if name := tags.get(MLFLOW_RUN_NAME):
        changes |= {"name": name, RUN_NAME_FIELD: name}
    return changes


def _later(point: Point) -> tuple[int, int, float]:
    return point.step, point.timestamp, point.value
