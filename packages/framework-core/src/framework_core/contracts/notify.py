"""Messages about runs, sent to a webhook."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from framework_core.contracts._section import Section

Event = Literal[
    "started",
    "epoch",
    "reached",
    "finished",
    "failed",
    "interrupted",
    "registered",
    "promoted",
    "demoted",
    "rolled_back",
    "drift",
]
"""What a message may be about."""

CONDITION = re.compile(r"\s*([^\s<>=]+)\s*(>=|<=|>|<)\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*")


class Condition(NamedTuple):
    """A value that a metric is to come to."""

    metric: str
    sign: str
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a value of the metric is there."""
        found = {
            ">=": value >= self.bound,
            "<=": value <= self.bound,
            ">": value > self.bound,
            "<": value < self.bound,
        }
        return found[self.sign]


def condition(text: str) -> Condition:
    """``val/accuracy>=0.9`` in its parts.

    Raises:
        ValueError: It is no condition.
    """
    found = CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no condition: METRIC>=NUMBER, as 'val/accuracy>=0.9', with >=, <=, > or <")
    return Condition(found[1], found[2], float(found[3]))


class NotifyConfig(Section):
    """Messages to a webhook that takes what Slack's incoming webhooks take."""

    webhook: SecretStr | None = None
    """Its address, a secret: ``${oc.env:SLACK_WEBHOOK}``. Empty sends nothing."""

    events: list[Event] = Field(
        default=[
            "reached",
            "finished",
            "failed",
            "interrupted",
            "registered",
            "promoted",
            "demoted",
            "rolled_back",
            "drift",
        ]
    )
    """What is told of."""

    reached: list[str] = Field(default_factory=list)
    """Values of metrics that are told of once, at the end of the epoch that reached them: ``val/accuracy>=0.9``."""

    seconds: float = Field(default=5.0, gt=0, le=60)
    """How long a message may take. A run waits no longer than that for its last one."""

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, webhook: SecretStr | None) -> SecretStr | None:
        if webhook is None:
            return None
        parts = urlsplit(webhook.get_secret_value())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address that begins with https:// or http://")
        return webhook

    @field_validator("reached")
    @classmethod
    def _check_reached(cls, reached: list[str]) -> list[str]:
        for each in reached:
            condition(each)
        return reached
