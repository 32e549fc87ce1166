"""The history of a registered model: numbered records that can be added, and neither changed nor taken away.

Each record is a parameter of a run that stands for the history, in an experiment of its own. A parameter is what every
store of MLflow's lets be written once: a second value for the same number is refused, so of two who write a record at
once one has it and the other is told. The name of the experiment is unique, so a model has one history.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from framework_core.errors import quoted
from framework_core.model_registry.record import Record
from framework_core.tracking.runs import TAG_REGISTRY

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

EXPERIMENT = "registry/"
"""How the name of the experiment begins; the name of the model follows."""

TAG_HEAD = "framework.registry.head"
"""The tag of a model: number and hash of a record of its history, the newest when it was written."""

KEY = "framework.history."
"""How the names of the parameters begin; the number of the record follows."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Lets MLflow's page show parameters, and not what belongs to texts that models write."""

LONGEST = 6000
"""Characters of a parameter: MLflow cuts off what is longer."""

WAITS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before each attempt at a store that is busy."""

_log = logging.getLogger("framework_core")


class History:
    """The history of a registered model.

    Args:
        client: The store.
        name: The model.
    """

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client = client
        self._name = name
        self._run_id = ""
        self.last = 0
        """The number of the newest record, readable or not, when they were last read."""

    def head(self) -> tuple[int, str]:
        """Number and hash of a record that was the newest once: records that are read afterwards go as far at least."""
        return head_of(self._client.get_registered_model(self._name).tags)

    def texts(self) -> dict[int, str]:
        """The records as they are kept, by their number."""
        run_id = self._find()
        if not run_id:
            return {}
        params = self._client.get_run(run_id).data.params
        kept = {key.removeprefix(KEY): text for key, text in params.items() if key.startswith(KEY)}
        return {int(number): text for number, text in sorted(kept.items()) if number.isdecimal()}

    def records(self) -> list[Record]:
        """The records that can be read, in order; where they are not what was written, that is said."""
        found, texts = [], self.texts()
        self.last = max(texts, default=0)
        if damage(texts):
            _log.warning("The history of %s was tampered with: fw registry verify %s", self._name, quoted(self._name))
        for text in texts.values():
            try:
                found.append(Record.read(text))
            except ValueError:
                continue
        return found

    def add(self, record: Record) -> bool:
        """Add a record; whether it is in the history now, and not another in its place.

        Raises:
            MlflowException: The store does not take it.
        """
        from mlflow.exceptions import MlflowException

        run_id, key, text = self._find() or self._make(), f"{KEY}{record.number:06d}", record.text()
        failed: Exception | None = None
        for seconds in WAITS:
            time.sleep(seconds)
            try:
                self._client.log_param(run_id, key, text)
            except MlflowException as error:
                failed = error
            there = self._client.get_run(run_id).data.params.get(key)
            if there is not None:
                return there == text
        raise failed or RuntimeError(f"{key} was not kept")

    def _find(self) -> str:
        """The run with the records; empty where there is none."""
        if not self._run_id:
            experiment = self._client.get_experiment_by_name(f"{EXPERIMENT}{self._name}")
            self._run_id = "" if experiment is None else self._run_of(experiment)
        return self._run_id

    def _run_of(self, experiment: Experiment) -> str:
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return str(experiment.tags.get(TAG_REGISTRY, ""))

    def _make(self) -> str:
        """Make the experiment and its run; they have their name when they are complete, and only one can have it."""
        from mlflow.exceptions import MlflowException

        name = f"{EXPERIMENT}{self._name}"
        own = self._client.create_experiment(f"{name} {uuid4().hex}", tags=KIND)
        run = self._client.create_run(own, run_name=f"history of {self._name}")
        self._client.set_terminated(run.info.run_id)
        self._client.set_experiment_tag(own, TAG_REGISTRY, run.info.run_id)
        try:
            self._client.rename_experiment(own, name)
        except MlflowException:
            self._client.delete_experiment(own)
            if not self._find():
                raise
            return self._run_id
        self._run_id = str(run.info.run_id)
        return self._run_id


def head_of(tags: Mapping[str, str]) -> tuple[int, str]:
    """Number and hash of the record that the tags of a model name; 0 where they name none."""
    number, _, hashed = tags.get(TAG_HEAD, "").partition(" ")
    return (int(number), hashed) if number.isdecimal() else (0, "")


def damage(texts: dict[int, str]) -> list[str]:
    """What is wrong with a history: records that were changed, taken out or swapped.

    Args:
        texts: The records as they are kept, by their number.
    """
    wrong: list[str] = []
    previous = ""
    for expected, number in enumerate(sorted(texts), start=1):
        if number != expected:
            missing = f"record {expected} is" if number == expected + 1 else f"records {expected} to {number - 1} are"
            return [*wrong, f"{missing} missing"]
        wrong += _damage_of(number, texts[number], previous)
        previous = _hash_of(texts[number])
    return wrong


def _damage_of(number: int, text: str, previous: str) -> Sequence[str]:
    try:
        record = Record.read(text)
    except ValueError:
        return [f"record {number} cannot be read"]
    if record.number != number:
        return [f"record {number} was written as record {record.number}"]
    if record.hash != record.digest or record.text() != text:
        return [f"record {number} is not what was written"]
    if record.previous != previous:
        return [f"record {number} follows another record than {number - 1}"]
    return []


def _hash_of(text: str) -> str:
    try:
        return Record.read(text).hash
    except ValueError:
        return ""
