"""Settings as they are saved beside a run and recorded with it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from framework_core.config.references import restored
from framework_core.contracts.config import RunConfig
from framework_core.secrets import concealed


def saved_settings(config: RunConfig) -> dict[str, Any]:
    """The settings as plain values, without secrets: what came from the environment stands as it was written."""
    settings = restored(config.model_dump(mode="json"), config)
    tracking = settings["mlops"]["tracking"]
    if tracking["uri"]:
        tracking["uri"] = without_credentials(tracking["uri"])
    found: dict[str, Any] = concealed(settings)
    return found


def settings_text(config: RunConfig) -> str:
    """The settings as a YAML file that is valid input."""
    import yaml

    return str(yaml.safe_dump(saved_settings(config), sort_keys=False, allow_unicode=True, width=120))


def without_credentials(uri: str) -> str:
    """A store's address as it may be shown: no user and no password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
