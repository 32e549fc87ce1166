"""Small writes that threads make at the same time, sent to the server together.

A write costs the server a command, and its writer a wait for the journal and the majority. One command with the writes
of many threads costs little more than one of a single write. Nobody waits for company: a write leaves at once unless
two commands are under way already, and then with all that have come meanwhile.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

_COMMANDS_AT_ONCE = 2
_WRITES_AT_ONCE = 100


@dataclass(eq=False)
class _Write:
    condition: dict[str, Any]
    change: dict[str, Any]
    made: bool = False
    sends: bool = False
    ready: threading.Event = field(default_factory=threading.Event)


class Combiner:
    """Updates of single documents of one collection, by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Write] = []
        self._under_way = 0

    def update(self, collection: Collection[dict[str, Any]], condition: dict[str, Any], change: dict[str, Any]) -> bool:
        """Make `change` where `condition` holds; say whether that is known to have happened.

        False may also mean that the fate of the writes sent together is unknown: the change must be one that can be
        made twice.
        """
        write = _Write(condition, change)
        with self._lock:
            write.sends = self._under_way < _COMMANDS_AT_ONCE
            if write.sends:
                self._under_way += 1
            else:
                self._waiting.append(write)
        if not write.sends:
            write.ready.wait()
        if write.sends:
            self._send(collection, write)
        return write.made

    def _send(self, collection: Collection[dict[str, Any]], own: _Write) -> None:
        with self._lock:
            others = self._waiting[: _WRITES_AT_ONCE - 1]
            self._waiting = self._waiting[len(others) :]
        try:
            made = _made(collection, [own, *others])
            for write in (own, *others):
                write.made = made
        finally:
            self._hand_over()
            for write in others:
                write.ready.set()

    def _hand_over(self) -> None:
        """Let the first of those who wait send the next command."""
        with self._lock:
            if not self._waiting:
                self._under_way -= 1
                return
            following = self._waiting.pop(0)
            following.sends = True
        following.ready.set()


def _made(collection: Collection[dict[str, Any]], writes: list[_Write]) -> bool:
    if len(writes) == 1:
        return bool(collection.update_one(writes[0].condition, writes[0].change).matched_count)
    updates = [UpdateOne(write.condition, write.change) for write in writes]
    try:
        return bool(collection.bulk_write(updates, ordered=False).matched_count == len(writes))
    except PyMongoError:
        return False  # each will meet its own error alone
