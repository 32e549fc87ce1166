"""What core itself offers, through the same hooks as everybody: optimizers, schedulers, strategies, messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from framework_core.contracts.specs import ComponentSpec, OptimizerSpec, SchedulerSpec, StrategySpec
from framework_core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from framework_core.contracts.run import RunInfo, RunResult

OPTIMIZERS = {
    "adadelta": ("Adadelta", "Adapts each step without a learning rate to tune"),
    "adafactor": ("Adafactor", "Adam with little memory"),
    "adagrad": ("Adagrad", "Smaller steps for what is updated often"),
    "adam": ("Adam", "Adaptive moments"),
    "adamax": ("Adamax", "Adam by the largest gradient"),
    "adamw": ("AdamW", "Adam with decoupled weight decay"),
    "asgd": ("ASGD", "Averaged stochastic gradient descent"),
    "lbfgs": ("LBFGS", "Quasi-Newton, for small smooth problems"),
    "nadam": ("NAdam", "Adam with Nesterov momentum"),
    "radam": ("RAdam", "Adam with a rectified warm-up"),
    "rmsprop": ("RMSprop", "Divides by a running average of the gradient"),
    "rprop": ("Rprop", "By the sign of the gradient, for whole batches"),
    "sgd": ("SGD", "Stochastic gradient descent with momentum"),
}
NOT_IN_PARTS = ("adafactor", "lbfgs")
"""Optimizers that look at whole tensors or at all of them, by operations that torch does not know for sharded ones."""

SCHEDULERS = {
    "constant": ("Constant", "The learning rate stays"),
    "cosine": ("Cosine", "Half a cosine down"),
    "cosine_restarts": ("CosineRestarts", "Several cosines, one after another"),
    "exponential": ("Exponential", "Times a factor over each epoch"),
    "linear": ("Linear", "A straight line down"),
    "multistep": ("MultiStep", "Times a factor at given epochs"),
    "one_cycle": ("OneCycle", "One rise and one fall"),
    "plateau": ("Plateau", "Times a factor when the metric stops improving"),
    "polynomial": ("Polynomial", "A power of what is left"),
    "step": ("Step", "Times a factor every few epochs"),
}
STRATEGY_CLASSES = {
    "auto": "SingleDeviceStrategy",
    "ddp": "DDPStrategy",
    "single": "SingleDeviceStrategy",
    "xla": "XLAStrategy",
}
OWN_STRATEGIES = {
    "fsdp": "framework_core.training.strategies.fsdp:FSDP",
    "fsdp2": "framework_core.training.strategies.fsdp2:FSDP2",
    "dp": "framework_core.training.strategies.dp:DP",
    "deepspeed": "framework_core.training.strategies.deepspeed:DeepSpeed",
}
"""What stands in place of, or beside, Lightning's; by the first word of the name."""

STRATEGIES = {
    "auto": "One device, or ddp on more",
    "ddp": "A copy of the model on each device, gradients averaged; one process a device",
    "ddp_spawn": "As ddp, processes made by spawn",
    "ddp_fork": "As ddp, processes made by fork",
    "ddp_notebook": "As ddp, for notebooks",
    "ddp_find_unused_parameters_true": "As ddp, for models that leave parameters unused",
    "ddp_find_unused_parameters_false": "As ddp, said out loud",
    "ddp_spawn_find_unused_parameters_true": "As ddp_spawn, for models that leave parameters unused",
    "ddp_spawn_find_unused_parameters_false": "As ddp_spawn, said out loud",
    "ddp_fork_find_unused_parameters_true": "As ddp_fork, for models that leave parameters unused",
    "ddp_fork_find_unused_parameters_false": "As ddp_fork, said out loud",
    "ddp_notebook_find_unused_parameters_true": "As ddp_notebook, for models that leave parameters unused",
    "ddp_notebook_find_unused_parameters_false": "As ddp_notebook, said out loud",
    "dp": "One process, the batch divided among GPUs: slower than ddp nearly always",
    "fsdp": "Parameters, gradients and optimizer sharded over devices",
    "fsdp_cpu_offload": "As fsdp, parameters kept in main memory",
    "fsdp2": "As fsdp, by torch's newer fully_shard",
    "deepspeed": "DeepSpeed's ZeRO with its defaults",
    "deepspeed_stage_1": "DeepSpeed, optimizer sharded",
    "deepspeed_stage_2": "DeepSpeed, optimizer and gradients sharded",
    "deepspeed_stage_2_offload": "As stage 2, optimizer in main memory",
    "deepspeed_stage_3": "DeepSpeed, everything sharded",
    "deepspeed_stage_3_offload": "As stage 3, everything in main memory",
    "deepspeed_stage_3_offload_nvme": "As stage 3, everything on disk",
    "single_device": "One device",
    "single_xla": "One XLA device",
    "single_tpu": "One TPU core",
    "xla": "Several XLA devices",
    "xla_debug": "As xla, with its debugging on",
}


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """Core's own optimizers, schedulers and strategies."""
    for name, (class_name, summary) in OPTIMIZERS.items():
        settings = f"framework_core.training.optimizer_settings:{class_name}"
        shards: Literal["flat", "none"] = "none" if name in NOT_IN_PARTS else "flat"
        yield OptimizerSpec(
            name=name, builder=f"torch.optim:{class_name}", config=settings, summary=summary, shards=shards
        )
    for name, (class_name, summary) in SCHEDULERS.items():
        settings = f"framework_core.training.scheduler_settings:{class_name}"
        builder = f"framework_core.training.schedulers:{name}"
        yield SchedulerSpec(name=name, builder=builder, config=settings, summary=summary)
    for name, summary in STRATEGIES.items():
        kind = name.partition("_")[0]
        builder = OWN_STRATEGIES.get(kind) or f"lightning.pytorch.strategies:{STRATEGY_CLASSES[kind]}"
        yield StrategySpec(name=name, builder=builder, summary=summary)


@hookimpl
def register_config_packages() -> list[str]:
    """Core's own config groups."""
    return ["framework_core.conf"]


@hookimpl
def run_started(run: RunInfo) -> None:
    """Tell the webhook that the settings name."""
    from framework_core.notify import run_events

    run_events.started(run)


@hookimpl
def epoch_ended(run: RunInfo, epoch: int, metrics: Mapping[str, float]) -> None:
    """Tell the webhook."""
    from framework_core.notify import run_events

    run_events.epoch_ended(run, epoch, metrics)


@hookimpl
def run_ended(result: RunResult) -> None:
    """Tell the webhook."""
    from framework_core.notify import run_events

    run_events.ended(result)
