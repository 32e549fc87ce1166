"""The model that answers now, and the one that takes its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from framework_core.errors import FrameworkError
from framework_core.serving.answering import sentence
from framework_core.serving.figures import Figures
from framework_core.serving.model import ServedModel

_log = logging.getLogger("framework_core")


class Source(Protocol):
    """Where a model comes from."""

    def state(self) -> Any:
        """What changes when there is another model; asked often, so it is cheap."""

    def load(self) -> ServedModel:
        """The model that is there now.

        Raises:
            FrameworkError: It cannot be used.
        """


class Current:
    """A model that may be replaced while it answers: whoever began with one ends with it.

    Args:
        source: Where it comes from.
        figures: Told of every change.
        every: Seconds between two looks for another; 0 never looks.

    Raises:
        FrameworkError: The first one cannot be used.
    """

    def __init__(self, source: Source, figures: Figures, every: float = 2.0) -> None:
        self._source = source
        self._figures = figures
        self._every = every
        self._state = source.state()
        self.model = source.load()
        self._tell()

    async def watch(self) -> None:
        """Look for another model until the server ends."""
        while self._every:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """Take another model, if there is one and it can be used; the old one stays otherwise."""
        loop = asyncio.get_running_loop()
        state = await loop.run_in_executor(None, _quietly(self._source.state, self._state))
        if state == self._state:
            return
        self._state = state
        try:
            found = await loop.run_in_executor(None, self._source.load)
        except FrameworkError as error:
            self._failed(sentence(error))
        except Exception as error:  # noqa: BLE001  # whatever is there, the server goes on with what it has
            self._failed(f"{type(error).__name__}: {error}")
        else:
            self._figures.model.clear()
            self.model = found
            self._tell()
            self._figures.reloads.labels("done").inc()
            _log.info("model      %s, version %s from now on", found.name, found.version)

    def _tell(self) -> None:
        self._figures.model.labels(self.model.name, self.model.version).set(1)

    def _failed(self, why: str) -> None:
        self._figures.reloads.labels("failed").inc()
        _log.warning("The new model is not taken, the old one goes on: %s", why)


def _quietly(look: Callable[[], Any], before: Any) -> Callable[[], Any]:
    """A look that gives what was there before where nothing can be seen: a store that is away, a folder being moved."""

    def quiet() -> Any:
        try:
            return look()
        except Exception:  # noqa: BLE001  # the next look may see it
            return before

    return quiet
