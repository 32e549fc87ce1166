"""The model card of a run: what the model is, what it was made from, and how good it is (Mitchell et al. 2019).

Markdown with the sections of "Model Cards for Model Reporting" (arXiv:1810.03993, section 4) that a run can fill with
facts; what only people know is asked for in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from framework_core.contracts.config import RunConfig
from framework_core.contracts.data import DataSpec
from framework_core.contracts.specs import ComponentSpec

NAMED_CLASSES = 20
"""A card names no more classes than this one by one."""


@dataclass(frozen=True)
class CardFacts:
    """What a card tells.

    Attributes:
        config: The settings of the run.
        data: What it was trained on.
        model: What is said of the model where it is offered.
        parameters: How many numbers were trained.
        metrics: The last metrics.
        intervals: Lower and upper end of those of the test.
        run: Name, id, commit and whatever else leads back to the run.
        commands: What repeats it, and what uses it.
        plots: Files with plots, relative to the card.
    """

    config: RunConfig
    data: DataSpec
    model: ComponentSpec
    parameters: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    run: Mapping[str, str]
    commands: Mapping[str, str]
    plots: Sequence[str] = field(default_factory=tuple)


def model_card(facts: CardFacts) -> str:
    """The card as markdown, with the front matter that model hubs read."""
    name = facts.config.model.name
    parts = [
        "---",
        yaml.safe_dump(_front_matter(facts), sort_keys=False).strip(),
        "---",
        f"# {name} on {facts.config.dataset.name}",
        facts.config.experiment.description,
        _section("Model", _model(facts)),
        _section("Intended use", [_intended_use(facts.data)]),
        _section("Data", _data(facts.data)),
        _section("Training", _training(facts.config)),
        _section("Metrics", _metrics(facts)),
        _section("Plots", [f"![{path.rpartition('/')[2].partition('.')[0]}]({path})" for path in facts.plots]),
        _section("Where it comes from", _table(("", ""), facts.run.items())),
        _section("Use it", [f"{what}:\n\n```console\n$ {line}\n```" for what, line in facts.commands.items()]),
    ]
    return (
        "\n\n".join(part for part in parts if part).replace("---\n\n", "---\n", 1).replace("\n\n---", "\n---", 1) + "\n"
    )


def _front_matter(facts: CardFacts) -> dict[str, Any]:
    found = {
        "library_name": "framework-core",
        "pipeline_tag": facts.data.task,
        "datasets": [facts.config.dataset.name],
        "metrics": sorted({name.partition("/")[2] for name in facts.metrics if name.startswith("test/")}),
    }
    if facts.model.licence:
        found["license"] = facts.model.licence
    return {key: value for key, value in found.items() if value}


def _section(title: str, lines: Iterable[str]) -> str:
    body = "\n".join(line for line in lines if line)
    return f"## {title}\n\n{body}" if body else ""


def _table(head: tuple[str, ...], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows if row[-1]]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines] if lines else []


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _model(facts: CardFacts) -> list[str]:
    spec = facts.model
    said = [
        ("what", spec.summary),
        ("paper", spec.paper),
        ("licence", spec.licence),
        ("parameters", f"{facts.parameters:,}"),
        ("input", f"{'x'.join(map(str, facts.data.input_shape)) or 'of any length'}, {facts.data.input_dtype}"),
    ]
    return _table(("", ""), said)


def _intended_use(data: DataSpec) -> str:
    task = data.task.replace("-", " ")
    return (
        f"Made for {task} of data like that described below, and measured on that data alone: before it is used on "
        "other data, measure it there (`fw evaluate`). Who it is for, what it must not be used for, and whom its "
        "errors harm, only its authors can say: write it here."
    )


def _data(data: DataSpec) -> list[str]:
    classes = data.class_names
    named = ", ".join(classes[:NAMED_CLASSES])
    if len(classes) > NAMED_CLASSES:
        named += f" and {len(classes) - NAMED_CLASSES} more"
    counts = data.class_counts.values()
    said = [
        ("source", data.source),
        ("samples", ", ".join(f"{count:,} {split}" for split, count in data.split_sizes.items())),
        ("classes", f"{len(classes)}: {named}" if classes else ""),
        ("samples of a class", f"{min(counts):,} to {max(counts):,} in training" if counts else ""),
        ("fingerprint", data.fingerprint),
    ]
    return _table(("", ""), said)


def _training(config: RunConfig) -> list[str]:
    optimizer, scheduler = config.optimizer, config.scheduler
    said = [
        ("optimizer", f"{optimizer.name}, learning rate {optimizer.lr:g}"),
        ("scheduler", scheduler.name),
        ("epochs", str(config.trainer.max_epochs)),
        ("precision", str(config.trainer.precision or "32-true")),
        ("seed", str(config.seed)),
    ]
    return _table(("", ""), said)


def _metrics(facts: CardFacts) -> list[str]:
    rows = []
    for name, value in sorted(facts.metrics.items()):
        if name.startswith(("test/", "val/")):
            low, high = facts.intervals.get(name, (None, None))
            rows.append((name, f"{value:.4f}", "" if low is None else f"{low:.4f} to {high:.4f}"))
    lines = [f"| {name} | {value} | {interval} |" for name, value, interval in rows]
    if not lines:
        return []
    told = (
        "\nThe interval is a percentile bootstrap over the samples of the test: how the number would vary with other "
        "samples of the same kind. It says nothing about other seeds."
        if facts.intervals
        else ""
    )
    return ["| metric | value | 95 % interval |", "|---|---|---|", *lines, told]
