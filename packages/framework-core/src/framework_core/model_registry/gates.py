"""The gates of a policy: each looks at one thing, and says in numbers what it found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from framework_core.errors import near_names
from framework_core.model_registry.measured import Measured
from framework_core.model_registry.paired import paired_difference
from framework_core.model_registry.policy import Comparison, Limits, Seeds, StagePolicy


@dataclass(frozen=True)
class Finding:
    """What a gate found.

    Attributes:
        gate: The gate, as the policy calls it.
        passed: Whether it lets the version through.
        told: What it found, in words and numbers.
        numbers: The numbers.
    """

    gate: str
    passed: bool
    told: str
    numbers: dict[str, Any] = field(default_factory=dict)


def ask(policy: StagePolicy, candidate: Measured, holder: Measured | None) -> list[Finding]:
    """Ask every gate of a stage.

    Args:
        policy: What the stage needs.
        candidate: The version that is to stand there.
        holder: The version that stands there; ``None`` where none does.
    """
    return list(_asked(policy, candidate, holder))


def _asked(policy: StagePolicy, candidate: Measured, holder: Measured | None) -> Iterator[Finding]:
    if policy.stands_in:
        stands = ", ".join(candidate.version.stages) or "no stage"
        yield Finding("stands_in", policy.stands_in in candidate.version.stages, f"it stands in {stands}")
    for metric, limits in policy.metrics.items():
        yield _metric(metric, limits, candidate)
    for comparison in policy.better:
        yield _better(comparison, candidate, holder)
    if policy.seeds:
        yield _seeds(policy.seeds, candidate)
    if policy.parity:
        yield _parity(candidate)
    if policy.data.duplicates is not None:
        yield _duplicates(policy.data.duplicates, candidate)
    if policy.data.same_classes:
        yield _same_classes(candidate, holder)
    if policy.data.same_fingerprint:
        yield _same_fingerprint(candidate, holder)


def _metric(metric: str, limits: Limits, candidate: Measured) -> Finding:
    gate, value = f"metrics.{metric}", candidate.metrics.get(metric)
    if value is None:
        return Finding(gate, False, _no_metric(metric, candidate))
    return Finding(gate, _within(value, limits), f"it is {value:.6g}, {_wanted(limits)}", {"value": value})


def _within(value: float, limits: Limits) -> bool:
    # In this form, NaN lies between nothing.
    above = limits.min is None or value >= limits.min
    return above and (limits.max is None or value <= limits.max)


def _wanted(limits: Limits) -> str:
    bounds = (("at least", limits.min), ("at most", limits.max))
    return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def _no_metric(metric: str, candidate: Measured) -> str:
    near = near_names(metric, candidate.metrics)
    return f"the run has no metric {metric!r}" + (f"; near it: {', '.join(near)}" if near else "")


def _better(asked: Comparison, candidate: Measured, holder: Measured | None) -> Finding:
    gate = f"better.{asked.metric}"
    if holder is None:
        return Finding(gate, True, "no version stands there to compare it with")
    found = paired_difference(asked.metric, candidate.resampled, holder.resampled, asked.confidence, best=asked.best)
    if isinstance(found, str):
        return Finding(gate, False, found.format(candidate=candidate.version, holder=holder.version))
    ours, theirs = candidate.metrics.get(asked.metric), holder.metrics.get(asked.metric)
    if ours is None or theirs is None:
        return Finding(gate, False, _no_metric(asked.metric, candidate if ours is None else holder))
    sure = f"{asked.confidence:.0%} sure of {found.least:+.4g}"
    told = f"{ours:.4f} against {theirs:.4f} of {holder.version} on the same {found.samples} samples"
    numbers = {
        "candidate": ours,
        "holder": theirs,
        "holder_version": holder.version.version,
        "least": found.least,
        "mean": found.mean,
        "draws": found.draws,
        "samples": found.samples,
    }
    passed = found.least > asked.by if asked.by >= 0 else found.least >= asked.by
    return Finding(gate, passed, f"{told}, {sure}; more than {asked.by:+g} is asked for", numbers)


def _seeds(asked: Seeds, candidate: Measured) -> Finding:
    runs = [run for run in candidate.siblings() if asked.metric in run.data.metrics and run.info.status == "FINISHED"]
    by_seed = {run.data.params.get("seed", ""): float(run.data.metrics[asked.metric]) for run in runs}
    if len(by_seed) < asked.at_least:
        how = f"fw train --each seed={','.join(map(str, range(1, asked.at_least + 1)))}"
        return Finding("seeds", False, f"{len(by_seed)} of {asked.at_least} seeds were trained together: {how}")
    worst = min(by_seed.values()) if asked.min is not None else max(by_seed.values())
    passed = all(_within(value, asked) for value in by_seed.values())
    told = f"the worst of {len(by_seed)} seeds has {asked.metric} {worst:.6g}, {_wanted(asked)}"
    return Finding("seeds", passed, told, {"seeds": len(by_seed), "worst": worst})


def _parity(candidate: Measured) -> Finding:
    found = candidate.parity
    if found is None:
        return Finding("parity", False, f"it has no parity certificate: fw verify parity {candidate.version.run_id}")
    if found.get("run_id", candidate.version.run_id) != candidate.version.run_id:
        return Finding("parity", False, f"its certificate is that of another run, {found['run_id']}")
    ways = {str(each.get("name")): each for each in found.get("ways", []) if isinstance(each, dict)}
    others = [f"{name} ({each.get('why', '')})" for name, each in ways.items() if not each.get("passed")]
    passed = found.get("passed") is True
    told = f"it answers alike by {', '.join(ways)}" if passed else f"it does not answer alike by {', '.join(others)}"
    return Finding("parity", passed, told, {"ways": list(ways)})


def _duplicates(most: int, candidate: Measured) -> Finding:
    found = (candidate.duplicates or {}).get("test")
    if found is None:
        return Finding("data.duplicates", False, "nobody looked for samples of the test that training has too")
    count = int(found["exact"]) + int(found["alike"])
    told = f"training has {count} of {found['looked_at']} samples of the test, at most {most}"
    return Finding("data.duplicates", count <= most, told, {"duplicates": count, "looked_at": found["looked_at"]})


def _same_classes(candidate: Measured, holder: Measured | None) -> Finding:
    gate = "data.same_classes"
    if holder is None:
        return Finding(gate, True, "no version stands there to compare it with")
    ours, theirs = ((each.data or {}).get("class_names") for each in (candidate, holder))
    if ours == theirs and ours is not None:
        return Finding(gate, True, f"its {len(ours)} classes are those of {holder.version}")
    return Finding(gate, False, f"its classes are {_listed(ours)}, those of {holder.version} {_listed(theirs)}")


def _same_fingerprint(candidate: Measured, holder: Measured | None) -> Finding:
    gate = "data.same_fingerprint"
    if holder is None:
        return Finding(gate, True, "no version stands there to compare it with")
    ours, theirs = candidate.fingerprint, holder.fingerprint
    told = f"its data is {ours or 'not known'}, that of {holder.version} {theirs or 'not known'}"
    return Finding(gate, bool(ours) and ours == theirs, told)


def _listed(names: Any, most: int = 6) -> str:
    if not isinstance(names, list):
        return "not known"
    return ", ".join(map(str, names[:most])) + (f", ... ({len(names)})" if len(names) > most else "")
