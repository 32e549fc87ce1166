"""A file of DeepSpeed's settings, held against the settings of the run: nothing is said twice in two ways.

The keys are those of https://www.deepspeed.ai/docs/config-json/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from framework_core.contracts.config import RunConfig
from framework_core.errors import ConfigProblem

KEY = "distributed.deepspeed_config"
OF_THE_RUN = (
    "optimizer",
    "scheduler",
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "gradient_accumulation_steps",
    "gradient_clipping",
)
"""What the settings of the run say: where the file says the same, it is left out."""


def settings_of(file: Path, strategy: str) -> dict[str, Any]:
    """DeepSpeed's settings in a file, without what the settings of the run say.

    Args:
        file: The file.
        strategy: Its name may say the stage of ZeRO.
    """
    found = {key: value for key, value in json.loads(file.read_text("utf-8")).items() if key not in OF_THE_RUN}
    zero = dict(found.get("zero_optimization", {}))
    if "_stage_" in strategy:
        zero["stage"] = _stage(strategy)
    # The optimizer is the run's own, and DeepSpeed has tested others only.
    return {"zero_allow_untested_optimizer": True, **found, "zero_optimization": {"stage": 2, **zero}}


def problems(config: RunConfig) -> Iterator[ConfigProblem]:
    """What is wrong with the file, and where it contradicts the settings of the run.

    Args:
        config: The settings.
    """
    file = config.distributed.deepspeed_config
    if file is None:
        return
    if not config.strategy_name.startswith("deepspeed"):
        yield ConfigProblem(KEY, f"has no effect with strategy={config.strategy_name}. Possible: strategy=deepspeed")
        return
    try:
        given = json.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        yield ConfigProblem(KEY, f"cannot be read: {error.strerror}", value=file)
        return
    except ValueError as error:
        yield ConfigProblem(KEY, f"is no JSON: {error}", value=file)
        return
    if not isinstance(given, Mapping):
        yield ConfigProblem(KEY, "must be a JSON object of settings", value=file)
        return
    for theirs, value, ours, own in _pairs(given, config):
        if value not in (None, "auto", own):
            yield ConfigProblem(KEY, f"says {theirs}={_shown(value)}, but {ours} is {_shown(own)}")
    if "scheduler" in given:
        name = config.scheduler.name
        yield ConfigProblem(KEY, f"says scheduler={_type(given['scheduler'])}, but scheduler is {name}: leave it out")


def _pairs(given: Mapping[str, Any], config: RunConfig) -> Iterator[tuple[str, Any, str, Any]]:
    """Each of its settings that the run has too: its name and value, and those of the run."""
    trainer = config.trainer
    batch = getattr(config.dataset, "batch_size", None)
    devices = config.devices if isinstance(config.devices, int) else None
    processes = devices * config.num_nodes if devices else None
    if batch is not None and processes is not None:
        together = config.distributed.batch == "global"
        whole = batch if together else batch * processes
        each = -(-batch // processes) if together else batch
        yield "train_batch_size", given.get("train_batch_size"), "the batch of all devices", whole
        yield "train_micro_batch_size_per_gpu", given.get("train_micro_batch_size_per_gpu"), "that of each", each
    ours = "trainer.accumulate_grad_batches"
    yield "gradient_accumulation_steps", given.get("gradient_accumulation_steps"), ours, trainer.accumulate_grad_batches
    clipped = trainer.gradient_clip_val or 0.0
    yield "gradient_clipping", given.get("gradient_clipping"), "trainer.gradient_clip_val", clipped
    precision = str(trainer.precision or "32-true")
    for kind, names in (("bf16", ("bf16-mixed", "bf16-true", "bf16")), ("fp16", ("16-mixed", "16-true", "16"))):
        enabled = given.get(kind, {}).get("enabled")
        if enabled is not None and enabled != "auto" and bool(enabled) != (precision in names):
            yield f"{kind}.enabled", enabled, "trainer.precision", precision
    stage = given.get("zero_optimization", {}).get("stage")
    if "_stage_" in config.strategy_name:
        yield "zero_optimization.stage", stage, "strategy", _stage(config.strategy_name)
    if "optimizer" in given:
        kind = _type(given["optimizer"])
        own = config.optimizer.name
        yield "optimizer", own if kind.lower() == own else kind, "optimizer", own
        lr = given["optimizer"].get("params", {}).get("lr")
        yield "optimizer.params.lr", lr, "optimizer.lr", config.optimizer.lr


def _stage(strategy: str) -> int:
    return int(strategy.partition("_stage_")[2][:1])


def _type(section: Any) -> str:
    return str(section.get("type", "?")) if isinstance(section, Mapping) else str(section)


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)
