"""Settings read from a constructor: the author of a class writes no settings class at all."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict, TypeAdapter, create_model

from framework_core.contracts.config import ComponentConfig

FROM_DATA = ("num_classes", "class_names", "channels", "input_shape")
"""Constructor parameters that are filled from the ``DataSpec`` of the same name where nobody sets them."""


def config_from_signature(builder: Callable[..., Any]) -> type[ComponentConfig]:
    """The settings that ``builder`` takes, from the names, types and defaults of its parameters.

    A constructor that passes ``**kwargs`` on to its base class takes the base's parameters too. ``data`` is
    never a setting: core passes the ``DataSpec`` itself. Parameters named in ``FROM_DATA`` may be left out.

    Returns:
        A pydantic class with one field a parameter.
    """
    fields: dict[str, Any] = {}
    for parameter, annotation in parameters_of(builder):
        if parameter.name == "data":
            continue
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        if parameter.name in FROM_DATA and default is ...:
            annotation, default = typing.Optional[annotation], None  # noqa: UP045  # built at run time
        fields[parameter.name] = (_checkable(annotation), default)
    name = getattr(builder, "__name__", "Component")
    return create_model(f"{name}Config", __base__=_FromSignature, __module__=__name__, **fields)


def parameters_of(builder: Callable[..., Any]) -> list[tuple[inspect.Parameter, Any]]:
    """The named parameters of ``builder`` with their types, through ``**kwargs`` up the base classes."""
    found: dict[str, tuple[inspect.Parameter, Any]] = {}
    for function in _constructors(builder):
        signature = inspect.signature(function)
        hints = _type_hints(function)
        for parameter in signature.parameters.values():
            named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            if named and parameter.name != "self":
                found.setdefault(parameter.name, (parameter, hints.get(parameter.name, Any)))
        if not any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()):
            break
    return list(found.values())


def accepts(builder: Callable[..., Any], name: str) -> bool:
    """Whether ``builder`` takes a parameter of this name."""
    return any(parameter.name == name for parameter, _ in parameters_of(builder))


class _FromSignature(ComponentConfig):
    # Without a source of its own there is nothing to read descriptions from; to look for it takes a tenth of a second.
    model_config = ConfigDict(arbitrary_types_allowed=True, use_attribute_docstrings=False)


def _constructors(builder: Callable[..., Any]) -> list[Callable[..., Any]]:
    if not inspect.isclass(builder):
        return [builder]
    return [cls.__dict__["__init__"] for cls in builder.__mro__ if "__init__" in cls.__dict__ and cls is not object]


def _type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}


def _checkable(annotation: Any) -> Any:
    """The annotation where pydantic can check a plain value against it, and otherwise anything."""
    try:
        TypeAdapter(annotation).json_schema()
    except Exception:  # noqa: BLE001  # whatever a stranger's annotation does, it only costs the check
        return Any
    return annotation
