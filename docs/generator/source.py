"""What stands in the source and nowhere else: the docstrings under attributes and constants."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import framework_core

PACKAGE = Path(framework_core.__file__).parent


def attributes(cls: type) -> list[tuple[str, str, str, str]]:
    """The annotated attributes of a class, its bases' first: name, annotation, default, docstring."""
    found: dict[str, tuple[str, str, str, str]] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.partition(".")[0].startswith("framework"):
            found |= {row[0]: row for row in _own(each)}
    return list(found.values())


def constants() -> Iterator[tuple[str, str, str]]:
    """Text constants of core that carry a docstring: name, value, docstring."""
    for path in sorted(PACKAGE.rglob("*.py")):
        body = ast.parse(path.read_text("utf-8")).body
        for statement, text in _documented(body):
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
                target = statement.targets[0]
                yield getattr(target, "id", ""), str(statement.value.value), text


def _own(cls: type) -> Iterator[tuple[str, str, str, str]]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    for statement, text in _documented(getattr(tree, "body", [])):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            annotation = ast.unparse(statement.annotation)
            if not annotation.startswith("ClassVar"):
                yield statement.target.id, annotation, _default(statement.value), text


def _default(value: ast.expr | None) -> str:
    if value is None:
        return ""
    if isinstance(value, ast.Call):
        named = {word.arg: word.value for word in value.keywords}
        made = named.get("default_factory")
        if made is not None:
            return f"{ast.unparse(made)}()"
        return ast.unparse(named["default"]) if "default" in named else ""
    return ast.unparse(value)


def _documented(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Each statement with the docstring under it."""
    for statement, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        yield statement, " ".join(str(text).split())
