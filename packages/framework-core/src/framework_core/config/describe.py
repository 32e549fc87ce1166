"""Settings in words: what each is called, what it takes, what it is for."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from framework_core.contracts.config import ComponentConfig


def described(settings_class: type[BaseModel]) -> list[dict[str, str]]:
    """Each setting of a class, but for a component's name: ``name``, ``type``, ``default``, ``description``."""
    schema = settings_class.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "type": _type(field, schema),
            "default": "has to be set" if name in required else _default(settings_class.model_fields[name]),
            "description": str(field.get("description", "")).replace("\n", " "),
        }
        for name, field in schema.get("properties", {}).items()
        if name != "name" or not issubclass(settings_class, ComponentConfig)
    ]


def _default(info: FieldInfo) -> str:
    return json.dumps(to_jsonable_python(info.get_default(call_default_factory=True, validated_data={})))


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in field:
        return _type(schema["$defs"][field["$ref"].rpartition("/")[2]], schema)
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(each, schema) for each in field["anyOf"] if each.get("type") != "null"))
    if "enum" in field:
        return " or ".join(dict.fromkeys(str(each) for each in field["enum"]))
    if "const" in field:
        return str(field["const"])
    word = {"number": "number", "integer": "whole number", "boolean": "true or false", "string": "text"}
    kind = str(field.get("type", "anything"))
    if kind == "array":
        return f"list of {_type(field['items'], schema)}" if isinstance(field.get("items"), dict) else "list"
    return word.get(kind, "settings" if kind == "object" else kind) + _limits(field)


def _limits(field: dict[str, Any]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {_number(field[key])}" for key, sign in signs.items() if key in field)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
