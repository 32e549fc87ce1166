"""One message of a command, by the settings of the project in the working directory."""

from __future__ import annotations

import logging

from framework_core.contracts.notify import Event, NotifyConfig
from framework_core.notify.webhook import DeliveryError, send

_log = logging.getLogger("framework_core")


def tell(settings: NotifyConfig, event: Event, text: str) -> None:
    """Send a message, if it is wanted; what goes wrong is a warning.

    Args:
        settings: Where to, and what is told.
        event: What it is about.
        text: What is told.
    """
    if settings.webhook is None or event not in settings.events:
        return
    try:
        send(settings.webhook.get_secret_value(), text, seconds=settings.seconds)
    except DeliveryError as error:
        _log.warning("A message was not taken by the webhook of notify.webhook: %s", error)
