"""Files that are asked at the same time are answered together, and none pays for another."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from framework_core import DataError
from framework_core.serving.batching import Batcher
from framework_core.serving.model import Abandoned


class Lengths:
    """Answers a text by its length, and an empty one not at all."""

    def __init__(self):
        self.asked = []

    def samples_in(self, prepared):
        return 1

    def answer(self, prepared, wanted):
        self.asked.append(list(prepared))
        if "" in prepared:
            raise DataError("It is empty.")
        return [[{"length": len(text)}] for text in prepared]


def answered(texts, **options):
    async def ask():
        batcher = Batcher(**{"max_batch": 8, "delay": 0.0, **options})
        found = await asyncio.gather(*(batcher.answer(model, text) for text in texts), return_exceptions=True)
        await batcher.close()
        return found

    model = Lengths()
    return asyncio.run(ask()), model.asked


def test_what_comes_together_is_computed_together_in_its_order():
    found, asked = answered(["a", "bb", "ccc"])
    assert found == [[{"length": 1}], [{"length": 2}], [{"length": 3}]]
    assert asked == [["a", "bb", "ccc"]]


def test_a_batch_is_no_larger_than_it_may_be():
    _, asked = answered(["a"] * 5, max_batch=2)
    assert [len(each) for each in asked] == [2, 2, 1]


def test_who_asked_beside_a_broken_file_is_answered_all_the_same():
    (first, broken, last), asked = answered(["a", "", "bb"])
    assert (first, last) == ([{"length": 1}], [{"length": 2}])
    with pytest.raises(DataError, match="It is empty"):
        raise broken
    assert asked == [["a", "", "bb"], ["a"], [""], ["bb"]]


class Slow:
    """Takes steps until nobody waits any more."""

    def __init__(self):
        self.begun, self.ended = threading.Event(), threading.Event()

    def samples_in(self, prepared):
        return 1

    def answer(self, prepared, wanted):
        self.begun.set()
        while wanted():
            time.sleep(0.001)
        self.ended.set()
        raise Abandoned


def test_what_nobody_waits_for_any_more_is_not_computed_to_its_end():
    async def ask():
        batcher = Batcher(max_batch=8, delay=0.0)
        waiting = [asyncio.create_task(batcher.answer(model, text)) for text in ("a", "b")]
        await asyncio.to_thread(model.begun.wait, 10)
        waiting[0].cancel()
        await asyncio.sleep(0.02)
        still = not model.ended.is_set()
        waiting[1].cancel()
        ended = await asyncio.to_thread(model.ended.wait, 10)
        after = await batcher.answer(Lengths(), "abc")
        await batcher.close()
        return still, ended, after

    model = Slow()
    assert asyncio.run(ask()) == (True, True, [{"length": 3}])
