"""Requests that come at the same time are computed together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from framework_core.serving.model import ServedModel
from framework_core.serving.processing import Array, Row


@dataclass
class _Waiting:
    model: ServedModel
    prepared: Any
    size: int
    rows: asyncio.Future[list[Row]]


class Batcher:
    """Computes what waits, together; whatever comes meanwhile makes the next batch.

    An input waits for others only while some are on their way, and no longer than ``delay``.

    Args:
        max_batch: How many inputs are computed together at most.
        delay: Seconds.
        observe: Told the size of each batch.
    """

    def __init__(self, *, max_batch: int, delay: float, observe: Callable[[int], None] = lambda size: None) -> None:
        self.max_batch = max_batch
        self.delay = delay
        self.coming = 0
        """Inputs that are being prepared."""
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._more = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._task: asyncio.Task[None] | None = None

    async def answer(self, model: ServedModel, prepared: Any) -> list[Row]:
        """The rows of a prepared file.

        Raises:
            DataError: There are none, as the model says.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        rows: asyncio.Future[list[Row]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(model, prepared, model.samples_in(prepared), rows))
        self._more.set()
        return await rows

    async def infer(self, model: ServedModel, inputs: Array) -> Mapping[str, Array]:
        """Prepared inputs to outputs: a batch that somebody else made."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, model.infer, inputs)

    async def close(self) -> None:
        """Compute nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _serve(self) -> None:
        while True:
            await self._arrival()
            batch = await self._next()
            if batch:
                await self._compute(batch)

    async def _arrival(self) -> None:
        while not self._waiting:
            self._more.clear()
            await self._more.wait()

    async def _next(self) -> list[_Waiting]:
        """What is computed together: of one model, in the order in which it came."""
        if self.coming and self._size() < self.max_batch:
            await self._others()
        batch: list[_Waiting] = []
        size = 0
        while self._waiting:
            first = self._waiting[0]
            if first.rows.done():  # whoever asked is gone
                self._waiting.popleft()
                continue
            if batch and (first.model is not batch[0].model or size + first.size > self.max_batch):
                break
            batch.append(self._waiting.popleft())
            size += first.size
        return batch

    async def _others(self) -> None:
        """Wait for what is on its way."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.delay
        while self.coming and self._size() < self.max_batch and (left := end - loop.time()) > 0:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), left)
            except asyncio.TimeoutError:  # another class up to Python 3.10
                return

    def _size(self) -> int:
        return sum(each.size for each in self._waiting)

    async def _compute(self, batch: Sequence[_Waiting]) -> None:
        self._observe(sum(each.size for each in batch))
        try:
            found = await self._answered(batch)
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait have to know
            if len(batch) > 1:
                # What is wrong with one is no reason for the others to have no answer.
                for each in batch:
                    await self._compute([each])
            elif not batch[0].rows.done():
                batch[0].rows.set_exception(error)
            return
        for each, rows in zip(batch, found, strict=True):
            if not each.rows.done():
                each.rows.set_result(rows)

    async def _answered(self, batch: Sequence[_Waiting]) -> Sequence[list[Row]]:
        prepared = [each.prepared for each in batch]

        def wanted() -> bool:
            return not all(each.rows.done() for each in batch)

        return await asyncio.get_running_loop().run_in_executor(self._thread, batch[0].model.answer, prepared, wanted)
