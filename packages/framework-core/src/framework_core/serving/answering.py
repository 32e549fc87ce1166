"""One request, from its files or inputs to an answer: within the limits, together with others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from framework_core.errors import FrameworkError
from framework_core.serving.batching import Batcher
from framework_core.serving.limits import Limits, Refused
from framework_core.serving.model import RawFile, ServedModel
from framework_core.serving.prediction_log import PredictionLog
from framework_core.serving.processing import Array, Row


class Answering:
    """Prepares and answers.

    Args:
        batcher: What computes.
        limits: What a request may take.
        threads: How many files are prepared at once.
        log: Where answers are noted; nowhere without it.
    """

    def __init__(self, batcher: Batcher, limits: Limits, threads: int, log: PredictionLog | None = None) -> None:
        self.batcher = batcher
        self._log = log
        self.limits = limits
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="files")

    async def rows(self, model: ServedModel, files: Sequence[RawFile]) -> list[list[Row]]:
        """The rows of each file.

        Raises:
            Refused: A file cannot be read, or is too large.
        """
        return await asyncio.gather(*(self._file(model, file, number, len(files)) for number, file in enumerate(files)))

    async def outputs(self, model: ServedModel, inputs: Array) -> Mapping[str, Array]:
        """The outputs for prepared inputs.

        Raises:
            Refused: They are not what the model takes.
        """
        if len(inputs.shape) and len(inputs) > self.limits.files:
            raise Refused(413, f"A request may have {self.limits.files} inputs, and this one has {len(inputs)}.")
        try:
            found = await self.batcher.infer(model, inputs)
        except FrameworkError as error:
            raise Refused(422, sentence(error)) from error
        if self._log is not None:
            self._log.computed(model, inputs, found)
        return found

    async def in_thread(self, function: Any, *arguments: Any) -> Any:
        """Something that would hold up other requests."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        """Prepare nothing more."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._log is not None:
            self._log.close()

    async def _file(self, model: ServedModel, file: RawFile, number: int, of: int) -> list[Row]:
        where = f"Input {number}: " if of > 1 else ""
        try:
            self.batcher.coming += 1
            try:
                prepared = await self.in_thread(self._prepared, model, file)
            finally:
                self.batcher.coming -= 1
            rows = await self.batcher.answer(model, prepared)
        except Refused as error:
            raise Refused(error.status, where + error.message) from error
        except FrameworkError as error:
            raise Refused(422, where + sentence(error)) from error
        if self._log is not None:
            self._log.answered(model, file, prepared, rows)
        return rows

    def _prepared(self, model: ServedModel, file: RawFile) -> Any:
        size = model.size_of(file)
        if size > self.limits.values:
            message = f"The file has {size:,} values, and {self.limits.values:,} are the most that is decoded."
            raise Refused(413, message)
        return model.prepare(file)


def sentence(error: FrameworkError) -> str:
    """What is wrong, in a line."""
    return " ".join(str(error.what).split())
