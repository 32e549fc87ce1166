"""Checking values against a settings class, with every problem said in the user's own words at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from framework_core.errors import ConfigProblem, near_names
from framework_core.wording import PHRASES, TRUTHS, group_of, limit, no_such_setting, not_allowed

Model = TypeVar("Model", bound=BaseModel)


def validated(
    settings_class: type[Model], values: Mapping[str, Any], *, prefix: str
) -> tuple[Model | None, list[ConfigProblem]]:
    """Check ``values`` against a settings class.

    Args:
        settings_class: What is allowed.
        values: What was given.
        prefix: Where the values stand in the whole configuration; empty for the top.

    Returns:
        The settings and no problems, or ``None`` and every problem.
    """
    try:
        return settings_class.model_validate(dict(values)), []
    except ValidationError as error:
        return None, _problems(settings_class, values, error, prefix)


def _problems(
    settings_class: type[BaseModel], values: Mapping[str, Any], error: ValidationError, prefix: str
) -> list[ConfigProblem]:
    by_keys: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        by_keys.setdefault(_keys(values, detail), []).append(detail)
    return [_problem(settings_class, keys, details, prefix) for keys, details in by_keys.items()]


def _problem(
    settings_class: type[BaseModel], keys: tuple[str, ...], details: list[ErrorDetails], prefix: str
) -> ConfigProblem:
    """One problem for a value; where several types were possible, what each of them would have allowed."""
    first = details[0]
    path = ".".join([prefix, *keys] if prefix else keys)
    if first["type"] == "extra_forbidden":
        known = _fields_at(settings_class, keys[:-1])
        parent = path.rpartition(".")[0]
        near = [f"{parent}.{name}" if parent else name for name in near_names(keys[-1], known)]
        return no_such_setting(path, near, known)
    if first["type"] == "missing":
        return ConfigProblem(path, "it has to be set")
    if first["type"] in ("value_error", "assertion_error"):
        return ConfigProblem(path or prefix or "settings", str(first["ctx"]["error"]))
    if first["type"] == "model_type" and len(details) == 1:
        return not_allowed(path, first["input"], [group_of(path, _fields_at(settings_class, keys))], ())
    return not_allowed(path, first["input"], map(_allowed, details), _words(details))


_KINDS = {
    "int_parsing": "int",
    "int_type": "int",
    "int_from_float": "int",
    "float_parsing": "float",
    "float_type": "float",
    "bool_parsing": "bool",
    "bool_type": "bool",
    "string_type": "str",
    "list_type": "list",
    "tuple_type": "list",
    "dict_type": "dict",
    "model_type": "dict",
    "path_type": "path",
    "finite_number": "finite",
}
_LIMITS = {
    "greater_than": "gt",
    "greater_than_equal": "ge",
    "less_than": "lt",
    "less_than_equal": "le",
    "multiple_of": "multiple_of",
}


def _allowed(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _KINDS:
        return PHRASES[_KINDS[kind]]
    if kind in _LIMITS:
        return limit(_LIMITS[kind], context[_LIMITS[kind]])
    if kind in ("literal_error", "enum"):
        return f"one of {context['expected']}".replace(" or ", ", ")
    if kind == "string_pattern_mismatch":
        return f"text of the form {context['pattern']}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return message[:1].lower() + message[1:]


def _words(details: list[ErrorDetails]) -> list[str]:
    """The words that are allowed."""
    words: list[str] = []
    for detail in details:
        if detail["type"] in ("literal_error", "enum"):
            words += [word.strip("'") for word in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        if detail["type"] == "bool_parsing":
            words += TRUTHS
    return words


def _keys(values: Mapping[str, Any], detail: ErrorDetails) -> tuple[str, ...]:
    """The keys as the user wrote them: pydantic's location without the names of a union's arms."""
    keys: list[str] = []
    here: Any = values
    for part in detail["loc"]:
        if (isinstance(here, Mapping) and part in here) or (isinstance(here, list | tuple) and isinstance(part, int)):
            keys.append(str(part))
            here = here[part]  # type: ignore[index]
    if detail["type"] == "missing":
        keys.append(str(detail["loc"][-1]))
    return tuple(keys)


def _fields_at(settings_class: type[BaseModel], keys: tuple[str, ...]) -> list[str]:
    """The settings there are where ``keys`` lead to; none where anything may be written."""
    found: Any = settings_class
    for key in keys:
        if isinstance(found, type) and issubclass(found, BaseModel):
            found = found.model_fields[key].annotation if key in found.model_fields else None
        else:
            # What stands in a list, or under any name of a group.
            found = (get_args(found) or (None,))[-1]
    return list(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else []
