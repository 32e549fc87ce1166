"""Small writes that threads make at the same time, sent to the server together.

A write costs the server a command, and its writer a wait for the journal and the majority. One command with the writes
of many threads costs little more than one of a single write. Nobody waits for company: a write leaves at once unless
two commands are under way already, and then with all that have come meanwhile.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

_COMMANDS_AT_ONCE = 2
# Together below the 48 MB of a command, whatever MLflow allows in one.
_WRITES_AT_ONCE = 32


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

        False means that it must be tried alone, with the driver's own care: the condition did not hold, a write sent
        together with it failed, or nobody knows. So the change must be one that can be made twice.
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
    # A plain command: the driver's own methods would have the server keep a record of each write, so that it can be
    # tried again. These can be made twice, and need none.
    command: dict[str, Any] = {
        "update": collection.name,
        "updates": [{"q": write.condition, "u": write.change} for write in writes],
        "ordered": False,
    }
    if not collection.write_concern.is_server_default:
        command["writeConcern"] = collection.write_concern.document
    try:
        answer = collection.database.command(command)
    except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError):
        return False  # each will meet its own error alone
    return bool(answer["n"] == len(writes)) and not {"writeErrors", "writeConcernError"} & answer.keys()
