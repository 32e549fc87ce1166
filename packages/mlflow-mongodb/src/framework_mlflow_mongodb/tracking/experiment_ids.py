"""Ids of experiments: texts to MLflow's users, whole numbers in the database."""

from __future__ import annotations

from collections.abc import Iterable

from framework_mlflow_mongodb.errors import invalid


def parse_experiment_id(experiment_id: str | int) -> int:
    """Return the number that an experiment id is."""
    try:
        return int(experiment_id)
    except (TypeError, ValueError):
        raise invalid(f"Invalid experiment ID '{experiment_id}'. Experiment ID must be a valid integer.") from None


def parse_experiment_ids(experiment_ids: Iterable[str | int]) -> list[int]:
    """Return the numbers that experiment ids are."""
    return [parse_experiment_id(experiment_id) for experiment_id in experiment_ids]
