"""What a run tells its webhook: the first user of the hooks of run events."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from framework_core.contracts.notify import Event, NotifyConfig, condition
from framework_core.contracts.run import RunInfo, RunResult
from framework_core.notify import messages
from framework_core.notify.deliveries import Deliveries

_open: dict[Path, RunMessages] = {}


class RunMessages:
    """The messages of one run.

    Args:
        webhook: The address.
        settings: What is told.
    """

    def __init__(self, webhook: str, settings: NotifyConfig) -> None:
        self._events = set(settings.events)
        self._conditions = {text: condition(text) for text in settings.reached}
        self._deliveries = Deliveries(webhook, seconds=settings.seconds)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the run has gone on."""
        return time.monotonic() - self._began

    def tell(self, event: Event, text: str) -> None:
        """Tell of an event, if it is one that is wanted."""
        if event in self._events:
            self._deliveries.tell(text)

    def look(self, run: RunInfo, epoch: int, metrics: Mapping[str, float]) -> None:
        """Tell once of each metric that has come to where it was to come."""
        for text, each in list(self._conditions.items()):
            if each.metric in metrics and each.holds(metrics[each.metric]):
                del self._conditions[text]
                self.tell("reached", messages.reached(run, epoch, text, metrics[each.metric]))

    def close(self) -> None:
        """Wait a little for what is on its way."""
        self._deliveries.wait()


def started(run: RunInfo) -> None:
    """A run has begun."""
    settings = run.config.notify
    if settings.webhook is not None:
        _open[run.directory] = RunMessages(settings.webhook.get_secret_value(), settings)
        _open[run.directory].tell("started", messages.started(run))


def epoch_ended(run: RunInfo, epoch: int, metrics: Mapping[str, float]) -> None:
    """An epoch has ended."""
    if told := _open.get(run.directory):
        told.tell("epoch", messages.epoch_ended(run, epoch, metrics))
        told.look(run, epoch, metrics)


def ended(result: RunResult) -> None:
    """A run has ended."""
    if told := _open.pop(result.run.directory, None):
        told.tell(result.status, messages.ended(result, told.seconds))
        told.close()
