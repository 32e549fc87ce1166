"""Telling plugins and the project's webhook of what was done to a version."""

from __future__ import annotations

from framework_core.config.notify_settings import notify_settings
from framework_core.contracts.move import VersionMove
from framework_core.model_registry.record import Record
from framework_core.notify.messages import MOVES, moved
from framework_core.notify.telling import tell
from framework_core.plugins.registry import registry


def tell_of_move(name: str, record: Record) -> None:
    """Announce what a record says; nothing that goes wrong undoes it.

    Args:
        name: The registered model.
        record: What was done.
    """
    facts = ("version", "action", "from_stage", "to_stage", "replaced", "who", "why", "forced")
    move = VersionMove(model=name, **{fact: getattr(record, fact) for fact in facts})
    registry.plugins.announce("version_moved", move=move)
    event, _ = MOVES[move.action]
    tell(notify_settings(), event, moved(move))
