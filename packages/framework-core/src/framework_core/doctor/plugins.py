"""The plugins and their state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from framework_core.doctor.child import ask
from framework_core.doctor.finding import Finding
from framework_core.doctor.installer import pip
from framework_core.errors import near_names
from framework_core.plugins.switches import WITHOUT, switched_off

LIMIT_SECONDS = 60.0


def plugins() -> Iterator[Finding]:
    """Each plugin; names that two of them offer; contracts this core does not know; plugins left out that are none."""
    left_out = switched_off()
    answer = ask("framework_core.doctor.asking_plugins", limit=LIMIT_SECONDS)
    if not answer.said:
        detail = f"looking for plugins ended with: {answer.failure}. One of them does more than a plugin may"
        yield Finding("plugins", "problem", detail, f"export {WITHOUT}=NAME  # one after another, to see which")
        return
    (said,) = answer.said
    for plugin in said["plugins"]:
        yield _finding(plugin)
    yield from _twice(said["twice"])
    for distribution, version in said["newer"].items():
        detail = f"{distribution} was written for contract {version}; this framework-core knows contract"
        yield Finding("plugins", "warning", f"{detail} {said['contract']}", pip("install -U", "framework-core"))
    yield from _unknown(left_out, said["plugins"])


def _finding(plugin: dict[str, Any]) -> Finding:
    who = f"{plugin['name']} of {plugin['distribution']} {plugin['version']}"
    if plugin["state"] == "broken":
        detail = f"{who} is broken, and left out: {plugin['cause']}"
        return Finding("plugins", "problem", detail, pip("install -U", plugin["distribution"]))
    if plugin["state"] == "disabled":
        return Finding("plugins", "ok", f"{who} is left out: {plugin['cause']}")
    return Finding("plugins", "ok", f"{who} offers {plugin['offers']:,} components")


def _twice(names: list[tuple[str, str, list[str]]]) -> Iterator[Finding]:
    by_owners: dict[tuple[str, ...], list[str]] = {}
    for kind, name, owners in names:
        by_owners.setdefault(tuple(owners), []).append(f"{kind} {name}")
    for both, offered in by_owners.items():
        more = f" and {len(offered) - 3} more" if len(offered) > 3 else ""
        detail = f"{', '.join(offered[:3])}{more}: offered by {' and '.join(both)}, so the plain name is refused"
        kind, _, name = offered[0].partition(" ")
        by_owner = f"fw train --{kind} {both[0]}:{name} ..."
        mend = by_owner if kind in ("model", "dataset") else f"export {WITHOUT}={both[0]}"
        yield Finding("plugins", "warning", detail, mend)


def _unknown(left_out: set[str], found: list[dict[str, Any]]) -> Iterator[Finding]:
    known = sorted({each[key] for each in found for key in ("name", "distribution")})
    for name in sorted(left_out - set(known)):
        near = near_names(name, known)
        meant = f"; did you mean {near[0]}?" if near else ""
        detail = f"{name!r} is left out, and no plugin is called so{meant}"
        yield Finding("plugins", "warning", detail, f"export {WITHOUT}={near[0]}" if near else f"unset {WITHOUT}")
