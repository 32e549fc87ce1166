"""From settings to data and model that fit each other."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.utilities.model_helpers import is_overridden

from framework_core.base.datamodule import BaseDataModule
from framework_core.base.model import BaseModel
from framework_core.config.validate import short_name
from framework_core.contracts.checks import ModelContract
from framework_core.contracts.config import ComponentConfig, RunConfig
from framework_core.contracts.data import DataSpec
from framework_core.errors import ConfigError, ConfigProblem, ContractError
from framework_core.plugins.catalogue import import_builder
from framework_core.plugins.registry import build, registry
from framework_core.process import is_main_process
from framework_core.training import preflight
from framework_core.training.checkpoint_io import read_weights
from framework_core.training.duplicates import Duplicates
from framework_core.training.layers import layers_of
from framework_core.training.optimization import Optimization

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Prepared:
    """Data and model, checked against each other."""

    datamodule: LightningDataModule
    data: DataSpec
    model: LightningModule
    example: Any
    """A few real inputs; ``None`` where batches are no pairs."""

    monitor: str | None
    """The metric that tells which checkpoint is best; ``None`` where nobody says."""

    mode: str
    """``min`` or ``max``."""

    duplicates: Duplicates | None = None
    """What was found of samples that training and the others share; ``None`` where nobody looked."""


def prepare(config: RunConfig) -> Prepared:
    """Set up the data, build the model from what it turned out to be, and check that they fit.

    Raises:
        DataError: The data cannot be used.
        ContractError: They do not fit.
    """
    datamodule = set_up_data(config.dataset, "fit")
    data = data_spec_of(datamodule)
    subject = f"The model {short_name(config.model.name)!r} and the dataset {short_name(config.dataset.name)!r}"
    if wrong := ModelContract(tasks=_tasks(config.model.name)).check(data):
        step = f"Find a model for this data: fw list models --task {data.task}"
        raise ContractError(f"{subject} do not fit", wrong, next_step=step)
    model = build_model(config.model, data)
    example = preflight.check(model, datamodule, data, subject=subject, closely=config.preflight)
    monitor, mode = _monitor(config, model, datamodule)
    if config.finetune.freeze_epochs:
        layers_of(model)
    return Prepared(datamodule, data, model, example, monitor, mode)


def _tasks(model: str) -> tuple[str, ...]:
    """What the model can be trained for, known before it is built: for another task it may not even be possible."""
    offer = registry.resolve("model", model)
    tasks: tuple[str, ...] = getattr(offer.spec, "tasks", ()) or getattr(import_builder(offer), "tasks", ())
    return tasks


def fitted_to_model(config: RunConfig) -> tuple[RunConfig, dict[str, Any]]:
    """Fill empty settings of the dataset with what the model was made for, where it says so.

    Returns:
        The settings, and what was filled in.
    """
    offer = registry.resolve("model", config.model.name)
    wishes = getattr(import_builder(offer), "input_settings", None)
    if wishes is None:
        return config, {}
    fields = type(config.dataset).model_fields
    filled = {
        name: value
        for name, value in wishes(**config.model.settings()).items()
        if name in fields and getattr(config.dataset, name) is None
    }
    if not filled:
        return config, {}
    return config.model_copy(update={"dataset": config.dataset.model_copy(update=filled)}), filled


def set_up_data(config: ComponentConfig, stage: str, *, like: DataSpec | None = None) -> LightningDataModule:
    """Build the datamodule and let it prepare what ``stage`` needs.

    Args:
        config: Its settings.
        stage: What Lightning calls the stage.
        like: What a trained model was trained on, where the data is to be prepared as that was.

    Raises:
        ContractError: What was built is no datamodule.
    """
    datamodule = build(registry.resolve("dataset", config.name), config)
    if not isinstance(datamodule, LightningDataModule):
        raise _not_lightning("dataset", config.name, datamodule, "LightningDataModule")
    if like is not None:
        _prepare_like(datamodule, like)
    # Lightning prepares and sets up again when it starts; the data is needed before, and once is enough.
    datamodule.prepare_data = functools.cache(datamodule.prepare_data)  # type: ignore[method-assign]
    datamodule.setup = functools.cache(datamodule.setup)  # type: ignore[method-assign]
    datamodule.prepare_data()
    datamodule.setup(stage=stage)
    return datamodule


def _prepare_like(datamodule: LightningDataModule, data: DataSpec) -> None:
    if isinstance(datamodule, BaseDataModule):
        datamodule.prepare_like(data)


def data_spec_of(datamodule: LightningDataModule) -> DataSpec:
    """What the data says it is.

    Raises:
        ContractError: The datamodule does not say.
    """
    if not hasattr(datamodule, "data_spec"):
        name = type(datamodule).__name__
        raise ContractError(
            f"The dataset {name} cannot be used",
            ["it does not say what its data is"],
            next_step="Give it a method data_spec(self) that returns a framework_core.contracts.DataSpec",
        )
    spec: DataSpec = datamodule.data_spec()
    return spec


def build_model(config: ComponentConfig, data: DataSpec) -> LightningModule:
    """Build the model for the data.

    Raises:
        ContractError: What was built is no Lightning module.
    """
    model = build(registry.resolve("model", config.name), config, data=data)
    if not isinstance(model, LightningModule):
        raise _not_lightning("model", config.name, model, "LightningModule")
    if not is_overridden("training_step", model):
        raise ContractError(
            f"The model {config.name!r} cannot be trained",
            ["it has no training_step"],
            next_step="Give it a method training_step(self, batch, batch_idx) that returns the loss, or let it inherit "
            "from framework_core.BaseModel.",
        )
    return model


def has_batches(datamodule: LightningDataModule, stage: str) -> bool:
    """Whether the data has a validation (``val``) or ``test`` split."""
    dataset = getattr(datamodule, f"{stage}_dataset", ...)
    if dataset is not ...:
        return dataset is not None
    return is_overridden(f"{stage}_dataloader", datamodule)


def can_measure(model: LightningModule, datamodule: LightningDataModule, stage: str) -> bool:
    """Whether there is a validation (``val``) or ``test`` split, and the model has a step for it."""
    step = "validation_step" if stage == "val" else f"{stage}_step"
    return has_batches(datamodule, stage) and is_overridden(step, model)


def _not_lightning(kind: str, name: str, built: object, wanted: str) -> ContractError:
    of_old_package = any(cls.__module__.startswith("pytorch_lightning") for cls in type(built).__mro__)
    if of_old_package:
        step = "Import Lightning as 'lightning', not as 'pytorch_lightning': their classes do not mix."
    else:
        step = f"Let it inherit from lightning.pytorch.{wanted}."
    return ContractError(
        f"The {kind} {name!r} cannot be used",
        [f"it is {type(built).__name__}, not a {wanted}"],
        next_step=step,
    )


def _monitor(config: RunConfig, model: LightningModule, datamodule: LightningDataModule) -> tuple[str | None, str]:
    settings = config.checkpoint
    if settings.monitor and settings.mode:
        return settings.monitor, settings.mode
    if not isinstance(model, BaseModel) or not has_batches(datamodule, "val"):
        return None, "min"
    return model.monitor


def set_optimization(prepared: Prepared, config: RunConfig) -> None:
    """Give the model the optimizer and scheduler of the settings.

    Raises:
        ConfigError: It sets its own, and something was asked for that it then cannot have.
        ContractError: It does not say what its layers are.
    """
    model, monitor, mode = prepared.model, prepared.monitor, prepared.mode
    own = is_overridden("configure_optimizers", model, parent=BaseModel if isinstance(model, BaseModel) else None)
    if isinstance(model, BaseModel) and not own:
        model.optimization = Optimization(
            config.optimizer, config.scheduler, monitor, mode, config.finetune.layer_decay
        )
        if config.finetune.layer_decay is not None:
            layers_of(model)
    elif config.finetune.layer_decay is not None:
        message = f"{type(model).__name__} sets its own optimizer, so this has no effect"
        raise ConfigError([ConfigProblem("finetune.layer_decay", message)])
    else:
        name = type(model).__name__
        _log.info("%s sets its own optimizer: the settings optimizer and scheduler have no effect.", name)


def load_weights(model: LightningModule, checkpoint: Path) -> None:
    """Load a checkpoint's weights.

    Raises:
        CheckpointError: The checkpoint is damaged.
        ContractError: They are not this model's.
    """
    saved = read_weights(checkpoint)
    try:
        model.load_state_dict(saved)
    except RuntimeError as error:
        first = str(error).strip().split("\n")[1:3]
        raise ContractError(f"The checkpoint {checkpoint} does not fit the model", [" ".join(first).strip()]) from error


def say_what_is_trained(prepared: Prepared, config: RunConfig, filled: Mapping[str, Any]) -> None:
    """Model and data in two lines, and in a third what the data took from the model."""
    if not is_main_process():
        return
    data, model = prepared.data, prepared.model
    sizes = ", ".join(f"{size:,} {split}" for split, size in data.split_sizes.items())
    shape = " of " + "x".join(str(length) for length in data.input_shape) if data.input_shape else ""
    classes = f", {data.num_classes} classes" if data.num_classes else ""
    _log.info("data      %s: %s samples%s%s", short_name(config.dataset.name), sizes, shape, classes)
    if filled:
        taken = ", ".join(f"{name} {_shown(value)}" for name, value in filled.items())
        _log.info(
            "input     %s, as %s was made for  else: dataset.%s=...",
            taken,
            short_name(config.model.name),
            next(iter(filled)),
        )
    loading = getattr(prepared.datamodule, "loading", None)
    if loading is not None and getattr(prepared.datamodule, "num_workers", 0) is None:
        _log.info("loading   %s  else: dataset.num_workers=N", loading())
    count = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    some = "" if trained == count else f", {trained:,} of them trained"
    _log.info("model     %s: %s parameters%s", short_name(config.model.name), f"{count:,}", some)


def _shown(value: Any) -> str:
    return "/".join(f"{each:g}" for each in value) if isinstance(value, tuple) else str(value)
