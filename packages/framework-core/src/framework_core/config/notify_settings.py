"""Where messages of commands go, by the settings of the project in the working directory."""

from __future__ import annotations

import logging

from framework_core.config.project_section import project_section
from framework_core.contracts.notify import NotifyConfig
from framework_core.errors import RequestError

SECTION = "notify"

_log = logging.getLogger("framework_core")


def notify_settings() -> NotifyConfig:
    """What ``notify`` of ``config.yaml`` here says; nothing is sent, with a warning, where it says what cannot be."""
    try:
        return project_section(SECTION, NotifyConfig)
    except RequestError as error:
        _log.warning("No message is sent: %s", error.what)
        return NotifyConfig()
