"""Points of curves on their way to the store: in batches, on a thread of their own."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

BATCH = 1000
"""MLflow takes this many points in one call."""

INTERVAL_SECONDS = 1.0
RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 15.0
"""How long the end of a run waits for a store that does not answer."""

_log = logging.getLogger("framework_core")


class MetricWriter:
    """Takes points at once and writes them later. The training thread never waits for the store.

    Args:
        client: The store.
        run_id: The run the points belong to.
        unsent: Where points go that the store did not take until the end.
        sample: What else to record, asked every ``sample_seconds``.
        sample_seconds: Seconds between two samples.
    """

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        *,
        unsent: Path,
        sample: Callable[[], Mapping[str, float]] | None = None,
        sample_seconds: float = 5.0,
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._unsent = unsent
        self._sample = sample
        self._sample_seconds = sample_seconds
        self._points: deque[tuple[int, int, Mapping[str, Any]]] = deque()
        self._ready: list[Metric] = []
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="metric-writer", daemon=True)
        self._thread.start()

    def write(self, values: Mapping[str, Any], step: int) -> None:
        """Take points of one step: numbers, or tensors of one element, which are read on the writer's thread."""
        self._points.append((step, int(time.time() * 1000), values))

    def close(self) -> int:
        """Write what is left, and wait for it.

        Returns:
            How many points the store did not take; they are in the file of unsent points.
        """
        self._closing.set()
        self._thread.join(PATIENCE_SECONDS)
        left = [*self._ready, *self._converted()]
        if left:
            with self._unsent.open("a", encoding="utf-8") as file:
                for point in left:
                    row = {
                        "key": point.key,
                        "value": point.value,
                        "timestamp": point.timestamp,
                        "step": point.step,
                    }
                    file.write(json.dumps(row) + "\n")
        return len(left)

    def _run(self) -> None:
        if self._sample is not None:
            # Use is measured since the same thread's last look, so a first one has to be taken.
            self._sample()
        next_sample = time.monotonic() + self._sample_seconds
        samples = 0
        while not self._closing.wait(RETRY_SECONDS if self._failing else INTERVAL_SECONDS):
            if self._sample is not None and time.monotonic() >= next_sample:
                self.write(self._sample(), samples)
                samples += 1
                next_sample += self._sample_seconds
            self._send()
        if self._sample is not None:
            self.write(self._sample(), samples)
        deadline = time.monotonic() + PATIENCE_SECONDS - 1
        while not self._send() and time.monotonic() < deadline:
            time.sleep(1)

    def _send(self) -> bool:
        """Send what has come; whether all of it was taken."""
        self._ready += self._converted()
        while self._ready:
            batch = self._ready[:BATCH]
            try:
                self._client.log_batch(self._run_id, metrics=batch)
            except Exception as error:  # noqa: BLE001  # whatever the store raises must not end the training
                if not self._failing:
                    _log.warning("The tracking store does not answer; points are kept: %s", _first_line(error))
                self._failing = True
                return False
            del self._ready[: len(batch)]
            if self._failing:
                _log.warning("The tracking store answers again.")
            self._failing = False
        return True

    def _converted(self) -> list[Metric]:
        from mlflow.entities import Metric

        found = []
        while self._points:
            step, timestamp, values = self._points.popleft()
            for name, value in values.items():
                number = float(value)
                if not math.isnan(number) or not name.startswith("system/"):
                    found.append(Metric(name, number, timestamp, step))
        return found


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
