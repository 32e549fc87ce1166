"""What the history of a model tells: all of it, what stood where at a time, and whether it was tampered with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timezone
from typing import TYPE_CHECKING

from framework_core.errors import RegistryError
from framework_core.model_registry.chain import History, damage, head_of
from framework_core.model_registry.lookup import model_in
from framework_core.model_registry.record import Record
from framework_core.model_registry.standing import Standing
from framework_core.model_registry.store import opened

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Moment:
    """What stood where at a time.

    Attributes:
        when: The time, in UTC, as ISO 8601.
        stages: The version in each stage.
        record: The last record before it; nothing where the model was not registered yet.
    """

    when: str
    stages: dict[str, int]
    record: Record | None


@dataclass(frozen=True)
class Examined:
    """A history that was examined.

    Attributes:
        records: How many records it has.
        damage: What is wrong with the records; empty where nothing is.
        aliases: What is wrong with the aliases that MLflow shows; empty where they say what the history says.
    """

    records: int
    damage: list[str]
    aliases: list[str]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damage and not self.aliases


def history(name: str, *, tracking_uri: str = "") -> list[Record]:
    """The history of a model, the oldest record first.

    Raises:
        UnknownNameError: There is no such model.
    """
    with opened(tracking_uri) as (client, _):
        return _history(client, name).records()


def at(name: str, date: str, *, tracking_uri: str = "") -> Moment:
    """What stood where at a time.

    Args:
        name: The model.
        date: A date or a time, as ISO 8601, of this machine's zone where it names none; a date means its end.
        tracking_uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.

    Raises:
        UnknownNameError: There is no such model.
        RegistryError: The date cannot be read.
    """
    moment = _moment(date)
    with opened(tracking_uri) as (client, _):
        before = [each for each in _history(client, name).records() if datetime.fromisoformat(each.when) <= moment]
    when = moment.astimezone(timezone.utc).isoformat(timespec="seconds")
    return Moment(when, Standing.after(before).now, before[-1] if before else None)


def verify(name: str, *, tracking_uri: str = "") -> Examined:
    """See whether the history of a model is what was written, and the aliases say what it says.

    Raises:
        UnknownNameError: There is no such model.
    """
    with opened(tracking_uri) as (client, _):
        found = model_in(client, name)
        texts = History(client, name).texts()
        wrong = damage(texts) + _against_head(texts, *head_of(found.tags))
        now = Standing.after(History(client, name).records())
        aliases = [
            f"the alias {stage!r} points to {_shown(found.aliases.get(stage))}, the history says {_shown(version)}"
            for stage in now.known
            if _shown(found.aliases.get(stage)) != _shown(version := now.in_stage(stage))
        ]
        return Examined(len(texts), wrong, aliases)


def _against_head(texts: dict[int, str], number: int, hashed: str) -> list[str]:
    """What is wrong with the newest records, which no other follows: the model has number and hash of one."""
    if not number:
        return ["the model has no record of its newest record"] if texts else []
    if number not in texts:
        return [f"record {number} is missing: it was the newest when it was written"]
    try:
        record = Record.read(texts[number])
    except ValueError:
        return []
    return [] if record.hash == hashed else [f"record {number} is not the one that was the newest when it was written"]


def _history(client: MlflowClient, name: str) -> History:
    model_in(client, name)
    return History(client, name)


def _shown(version: object) -> str:
    return "no version" if version is None else f"version {version}"


def _moment(date: str) -> datetime:
    try:
        found = datetime.fromisoformat(date.replace("Z", "+00:00"))
    except ValueError as error:
        raise RegistryError(
            f"{date!r} is no date.",
            possible="A date or a time is written 2026-03-01 or 2026-03-01T14:30.",
            next_step="For example: fw registry at NAME 2026-03-01",
        ) from error
    if len(date) == len("2026-03-01"):
        found = datetime.combine(found.date(), time.max)
    return found.astimezone()
