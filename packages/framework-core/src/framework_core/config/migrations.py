"""Settings that an earlier release saved, brought to what this one reads.

A release that renames, moves or removes a setting raises ``VERSION`` and adds a ``Migration``; saved settings carry
the version they were written in, so that a run of today is repeated by the releases to come.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = 1
"""The version of the settings that this release writes."""

KEY = "config_version"
"""Where saved settings say their version. Settings without it are taken as of this release."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class Migration:
    """What has to be done to settings of the version before."""

    version: int
    """The version that it leads to."""

    what: str
    """What changed, in a sentence for the user."""

    apply: Callable[[Settings], None]
    """Changes the settings in place; keys that are not there are left alone."""


MIGRATIONS: tuple[Migration, ...] = ()
"""One for each version after the first, in order."""


class NewerSettingsError(ValueError):
    """Settings that a later release wrote.

    Args:
        version: Their version.
    """

    def __init__(self, version: object) -> None:
        self.version = version
        super().__init__(f"its settings are of version {version!r}; this release reads versions up to {VERSION}")


def migrated(settings: Settings, migrations: Sequence[Migration] | None = None) -> tuple[Settings, list[str]]:
    """Bring settings to the newest version that there is.

    Args:
        settings: As they were read; they are left as they are.
        migrations: The steps, one for each version after the first; without them, those of this release.

    Returns:
        The settings without their version, and what was changed.

    Raises:
        NewerSettingsError: A later release wrote them.
    """
    steps = MIGRATIONS if migrations is None else migrations
    newest = 1 + len(steps)
    found = copy.deepcopy(settings)
    version = found.pop(KEY, newest)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= newest:
        raise NewerSettingsError(version)
    said = []
    for migration in steps[version - 1 :]:
        before = copy.deepcopy(found)
        migration.apply(found)
        if found != before:
            said.append(migration.what)
    return found, said


def moved(old: str, new: str) -> Callable[[Settings], None]:
    """A setting that has another path now."""

    def apply(settings: Settings) -> None:
        value = _taken(settings, old)
        if value is not _ABSENT:
            _put(settings, new, value)

    return apply


def removed(path: str) -> Callable[[Settings], None]:
    """A setting that is no more."""

    def apply(settings: Settings) -> None:
        _taken(settings, path)

    return apply


_ABSENT = object()


def _taken(settings: Settings, path: str) -> Any:
    *parents, last = path.split(".")
    section: Any = settings
    for key in parents:
        section = section.get(key) if isinstance(section, dict) else None
    return section.pop(last, _ABSENT) if isinstance(section, dict) else _ABSENT


def _put(settings: Settings, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        settings = settings.setdefault(key, {})
    settings[last] = value
