"""When Python looks for garbage.

Importing torch, Lightning and MLflow makes about a million objects that stay to the end. Python looks at all of them
again and again, while they come, while a model trains and when the program ends: seconds, in which it finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = 100_000
"""New objects after which a command looks for garbage among them; Python's own number is 700 or 2,000."""

_usual: tuple[int, int, int] | None = None


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Around a command: what it makes before training stays, most of it."""
    global _usual
    usual = gc.get_threshold()
    _usual = usual
    gc.set_threshold(SELDOM, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        _usual = None


@contextmanager
def frozen_heap() -> Iterator[None]:
    """Leave everything that is there before training out of garbage collection.

    What training itself makes is collected as ever. In a process that is no command's, an earlier training may have
    left garbage, with a model in it, that would be kept too: there it is collected first.
    """
    if _usual is None:
        gc.collect()
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*(_usual or before))
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
