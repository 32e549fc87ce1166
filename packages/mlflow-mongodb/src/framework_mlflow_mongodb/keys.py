"""Keys of users as field names of MongoDB: `%`, `.` and `$` are escaped, and no key at all is `%`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

_EMPTY = "%"


def escape(key: str) -> str:
    """Return `key` as the name of a field: ``mlflow.runName`` is stored as ``mlflow%2ErunName``."""
    return key.replace("%", "%25").replace(".", "%2E").replace("$", "%24") or _EMPTY


@functools.lru_cache(maxsize=4096)
def unescape(field: str) -> str:
    """Return the key that `field` stands for."""
    if "%" not in field:
        return field
    return "" if field == _EMPTY else field.replace("%24", "$").replace("%2E", ".").replace("%25", "%")


def escaped(mapping: Mapping[str, Value]) -> dict[str, Value]:
    """Return a map of users as a document."""
    return {escape(key): value for key, value in mapping.items()}


def unescaped(document: Mapping[str, Value]) -> dict[str, Value]:
    """Return the map of users that a document holds."""
    return {unescape(field): value for field, value in document.items()}
