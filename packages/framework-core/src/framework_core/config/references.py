"""Settings that came from the environment or from a secret: they are saved as they were written, never as they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, SecretBytes, SecretStr

from framework_core.contracts.config import RunConfig
from framework_core.secrets import remember, secret

ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*([A-Za-z_][A-Za-z0-9_]*)")
SECRET = re.compile(r"\$\{secret:\s*([A-Za-z_][A-Za-z0-9_.\-]*)")
VISIBLE = ("output_dir", "experiment.name", "experiment.run_name")
"""Names and places: whoever sees the run sees them, as a folder or in the store."""

OmegaConf.register_new_resolver("secret", secret, replace=True)


def references(written: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    """The settings that come from the environment or from secrets, as they were written; their values are remembered.

    Args:
        written: All settings with interpolations as they stand.
        values: The same with interpolations filled in.
    """
    found: dict[str, str] = {}
    hidden: dict[str, str] = {}
    for path, text in leaves(written):
        if not isinstance(text, str) or "${" not in text or path in VISIBLE:
            continue
        names = [*_environment(text), *_secrets(text)]
        for value, shown in names:
            hidden[value] = shown
            remember(value, shown)
        if names:
            found[path] = text
    resolved = dict(leaves(values))
    for path, text in leaves(written):
        # Through another setting: ${mlops.tracking.uri} may be a secret as well.
        if isinstance(text, str) and "${" in text and any(each in str(resolved.get(path)) for each in hidden if each):
            found[path] = text
    return found


def _environment(text: str) -> Iterator[tuple[str, str]]:
    for name in ENVIRONMENT.findall(text):
        if name in os.environ:
            yield os.environ[name], f"${{oc.env:{name}}}"


def _secrets(text: str) -> Iterator[tuple[str, str]]:
    for name in SECRET.findall(text):
        try:
            yield secret(name), f"${{secret:{name}}}"
        except KeyError:
            continue


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with its dotted path; items of lists by their number."""
    if isinstance(values, Mapping):
        pairs: Any = values.items()
    elif isinstance(values, list | tuple):
        pairs = enumerate(values)
    else:
        yield path, values
        return
    for key, value in pairs:
        yield from leaves(value, f"{path}.{key}" if path else str(key))


def secret_fields(settings: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The path and value of every field of type ``SecretStr`` that is set."""
    if isinstance(settings, SecretStr | SecretBytes):
        value = settings.get_secret_value()
        yield path, value if isinstance(value, str) else value.decode(errors="replace")
        return
    pairs: Any = ()
    if isinstance(settings, BaseModel):
        pairs = ((name, getattr(settings, name)) for name in type(settings).model_fields)
    elif isinstance(settings, Mapping):
        pairs = settings.items()
    elif isinstance(settings, list | tuple):
        pairs = enumerate(settings)
    for key, value in pairs:
        yield from secret_fields(value, f"{path}.{key}" if path else str(key))


def restored(settings: dict[str, Any], config: RunConfig) -> dict[str, Any]:
    """Plain settings with what came from the environment or from secrets as it was written.

    A secret that was given as text is saved as one that has to be given again: ``${secret:model.token}``.
    """
    as_written = {path: f"${{secret:{path}}}" for path, _ in secret_fields(config)}
    for path, text in {**as_written, **config.references}.items():
        _put(settings, path.split("."), text)
    return settings


def _put(values: Any, keys: list[str], text: str) -> None:
    *parents, last = keys
    for key in parents:
        values = values[int(key)] if isinstance(values, list) else values.get(key)
        if not isinstance(values, list | dict):
            return
    if isinstance(values, list):
        values[int(last)] = text
    elif last in values:
        values[last] = text


def resolved_where_possible(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Saved settings with what came from the environment filled in again, where it is still there."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        try:
            found[key] = OmegaConf.to_container(OmegaConf.create({key: value}), resolve=True)[key]  # type: ignore[call-overload, index]
        except OmegaConfBaseException:
            found[key] = None
    return found
