"""Settings as they are saved beside a run and recorded with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from framework_core.config.migrations import KEY, VERSION
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


def settings_file(config: RunConfig) -> dict[str, Any]:
    """The settings as they stand in a file, with the version they are written in."""
    return {KEY: VERSION, **saved_settings(config)}


def settings_text(config: RunConfig) -> str:
    """The settings as a YAML file that is valid input."""
    import yaml

    return str(yaml.safe_dump(settings_file(config), sort_keys=False, allow_unicode=True, width=120))


def run_settings_text(config: RunConfig) -> str:
    """The same for the folder of a run, without where messages go: whoever repeats the run may not know it."""
    notify = config.notify.model_copy(update={"webhook": None})
    references = {path: text for path, text in config.references.items() if path != "notify.webhook"}
    return settings_text(config.model_copy(update={"notify": notify}).written_as(references))


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted path; lists and empty groups are values."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= flattened(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def as_text(value: Any) -> str:
    """A setting's value as it would be typed."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def without_credentials(uri: str) -> str:
    """A store's address as it may be shown: no user and no password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
