"""Promises of every component: its settings are described, complete and strict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from framework_core.testing.check import NotApplicableError, check, expect
from framework_core.testing.subjects import ComponentSubject


@check("component")
def settings_are_documented(component: ComponentSubject) -> None:
    """Every setting of a settings class has a sentence that explains it."""
    if component.offer.spec.config is None:
        raise NotApplicableError("its settings are read from a signature")
    bare = [name for name, field in component.config_class.model_fields.items() if not field.description]
    expect(not bare, f"nothing explains {', '.join(bare)}: a docstring below the field, or Field(description=...)")


@check("component")
def defaults_are_valid(component: ComponentSubject) -> None:
    """With only its defaults its settings are valid, but for what has to be set."""
    from pydantic import ValidationError

    settings = component.config_class
    required = {name for name, field in settings.model_fields.items() if field.is_required() and name != "name"}
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in settings.model_fields.items()
        if name not in required and name != "name"
    }
    try:
        settings.model_validate({"name": component.name, **defaults})
    except ValidationError as error:
        problems = [each for each in error.errors() if each["type"] != "missing"]
        said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
        expect(not problems, f"its own defaults are refused: {said}")


@check("component")
def unknown_settings_are_refused(component: ComponentSubject) -> None:
    """A setting that there is not is refused."""
    from pydantic import ValidationError

    try:
        component.config_class.model_validate({"name": component.name, "no_such_setting_": 1})
    except ValidationError as error:
        if any(each["type"] == "extra_forbidden" for each in error.errors()):
            return
    expect(False, "it takes no_such_setting_=1 without a word: its settings allow extra fields")


@check("component")
def wrong_values_are_refused(component: ComponentSubject) -> None:
    """A value of a wrong type is refused, and the setting named."""
    from pydantic import ValidationError

    taken = []
    for name, annotation in _settings(component):
        if annotation is Any:
            continue
        try:
            component.config_class.model_validate({"name": component.name, name: _Strange()})
        except ValidationError as error:
            if any(each["loc"] and each["loc"][0] == name for each in error.errors()):
                continue
        taken.append(name)
    expect(not taken, f"{', '.join(taken)} takes any value at all")


@check("component")
def settings_have_types(component: ComponentSubject) -> None:
    """Every setting has a type, so that a wrong value is refused before anything is built."""
    untyped = [name for name, annotation in _settings(component) if annotation is Any]
    expect(not untyped, f"{', '.join(untyped)} has no type")


class _Strange:
    """A value that no setting can have."""


def _settings(component: ComponentSubject) -> Iterator[tuple[str, Any]]:
    for name, field in component.config_class.model_fields.items():
        if name != "name":
            yield name, field.annotation
