"""How it is said that a setting is not allowed: the same words wherever it is found out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from framework_core.errors import ConfigError, ConfigProblem, FrameworkError, UnknownNameError, near_names

PHRASES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list",
    "dict": "a group of settings",
    "path": "a path",
    "finite": "a finite number",
}
TRUTHS = ("true", "false")
LIMITS = {
    "gt": "more than",
    "ge": "at least",
    "lt": "less than",
    "le": "at most",
    "multiple_of": "a multiple of",
}


def limit(name: str, bound: float) -> str:
    """A bound in words: ``at least -1``."""
    return f"{LIMITS[name]} {bound:g}"


def group_of(path: str, keys: Iterable[str]) -> str:
    """A group of settings, and what is typed for each of them."""
    listed = ", ".join(f"{path}.{key}" for key in sorted(keys))
    return f"{PHRASES['dict']}: {listed}" if listed else PHRASES["dict"]


def one_of(words: Iterable[Any]) -> str:
    """An enumeration in words."""
    return f"one of {', '.join(repr(word) for word in words)}"


def no_such_setting(path: str, near: Sequence[str], known: Iterable[str]) -> ConfigProblem:
    """A key that is none.

    Args:
        path: The key as it was typed.
        near: What may have been meant.
        known: The keys there are beside it.
    """
    listed = ", ".join(sorted(known))
    choices = "" if near else f"; there are {listed}" if listed else "; it takes no settings"
    return ConfigProblem(path, f"there is no such setting{choices}", near=near)


def not_allowed(
    path: str, value: Any, allowed: Iterable[str], words: Iterable[str], elsewhere: Sequence[str] = ()
) -> ConfigProblem:
    """A value that is not allowed.

    Args:
        path: Where it stands.
        value: The value.
        allowed: What would be, one phrase for each kind.
        words: The words that would be.
        elsewhere: Other settings with that value, which it is a word of.
    """
    near = (near_names(value, words) if isinstance(value, str) else []) or elsewhere
    return ConfigProblem(path, f"must be {' or '.join(dict.fromkeys(allowed))}", value=value, near=near)


def no_setting(text: str, near: Sequence[str] = ()) -> ConfigProblem:
    """A word that is not of the form of a setting."""
    return ConfigProblem(text, "this is no setting; a setting is KEY=VALUE", near=near)


def no_option(group: str, option: str, options: Sequence[str]) -> ConfigProblem:
    """An option that a config group does not have."""
    near = near_names(option, options)
    known = f"; there are {', '.join(options)}" if options and not near else ""
    return ConfigProblem(group, f"there is no {group} named {option!r}{known}", near=near)


def no_strategy(path: str, strategy: str, strategies: Sequence[str]) -> ConfigProblem:
    """A strategy that nobody offers."""
    near = near_names(strategy, strategies)
    known = "" if near else "; see fw list strategies"
    return ConfigProblem(path, f"there is no strategy {strategy!r}{known}", near=near)


def no_name(group: str, value: Any) -> ConfigProblem:
    """A choice that is no word."""
    return ConfigProblem(group, "must be a name", value=value)


def told_together(problems: Sequence[ConfigProblem | FrameworkError]) -> FrameworkError:
    """Everything that is wrong as one error: a component that nobody offers has its own, where it is alone."""
    if len(problems) == 1 and isinstance(problems[0], FrameworkError):
        return problems[0]
    return ConfigError([_as_problem(problem) for problem in problems])


def _as_problem(problem: ConfigProblem | FrameworkError) -> ConfigProblem:
    if isinstance(problem, ConfigProblem):
        return problem
    if not isinstance(problem, UnknownNameError):
        return ConfigProblem(getattr(problem, "kind", "setting"), problem.what.rstrip("."))
    if problem.hint:
        return ConfigProblem(problem.kind, f"{problem.what} {problem.hint}")
    return ConfigProblem(problem.kind, problem.what.rstrip("."), near=problem.near)
