"""Networks of transformers for classes of recordings: random weights and sizes of one's own, or a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import transformers
from torch import nn

from framework_core import DataSpec
from framework_core.errors import ConfigError, ConfigProblem, ContractError, near_names
from framework_plugins_audio.checkpoints import Checkpoint, quiet
from framework_plugins_audio.front_end.of_checkpoints import RATE


def check_recordings(name: str, data: DataSpec, sample_rate: int) -> None:
    """See that recordings are what published networks read: 16,000 samples a second, one channel.

    Raises:
        ContractError: They are not.
    """
    wrong, step = [], []
    if sample_rate != RATE:
        wrong.append(f"recordings have {sample_rate} samples a second, and it reads {RATE}")
        step.append(f"dataset.sample_rate={RATE}")
    if data.channels != 1:
        wrong.append(f"recordings have {data.channels} channels, and it reads one")
        step.append("dataset.channels=1")
    if wrong:
        raise ContractError(f"{name} and this data do not fit", wrong, next_step=" ".join(step))


def configured(architecture: str, sizes: Mapping[str, Any], more: Mapping[str, Any]) -> Any:
    """The configuration of an architecture.

    Args:
        architecture: Its name in transformers.
        sizes: By the architecture's own names.
        more: Those that the user named, by the architecture's own names too.

    Raises:
        ConfigError: It has no such setting, or does not take its value.
    """
    config_class = transformers.CONFIG_MAPPING[architecture]
    names = [name for name in config_class().to_dict() if not name.startswith("_")]
    unknown = [name for name in more if name not in names]
    if unknown:
        raise ConfigError(
            [
                ConfigProblem(
                    f"model.sizes.{name}", f"{architecture} has no such setting", near=near_names(name, names)
                )
                for name in unknown
            ]
        )
    try:
        return config_class(**{**sizes, **more})
    except (ValueError, TypeError) as error:
        raise ConfigError([ConfigProblem("model.sizes", str(error).strip().partition("\n")[0])]) from error


def config_of(checkpoint: Checkpoint, known: tuple[str, ...]) -> Any:
    """The configuration of a checkpoint.

    Raises:
        DataError: It cannot be read, or is of another architecture than those that are known.
    """
    with quiet(), checkpoint.understood():
        config = transformers.AutoConfig.from_pretrained(checkpoint.location, **checkpoint.arguments())
    if config.model_type not in known:
        raise checkpoint.missing(f"it is of the architecture {config.model_type}, and not of {' or '.join(known)}")
    return config


def built(config: Any, checkpoint: Checkpoint | None, *, pretrained: bool) -> Any:
    """The network of a configuration, of ``AutoModelForAudioClassification``.

    Args:
        config: Its configuration.
        checkpoint: Where its weights are.
        pretrained: Whether they are taken.

    Raises:
        DataError: They cannot be read.
    """
    auto: Any = transformers.AutoModelForAudioClassification
    with quiet():
        if checkpoint is None or not pretrained:
            return auto.from_config(config)
        with checkpoint.understood():
            # Weights as safetensors alone: others are pickles, which can run code.
            return auto.from_pretrained(
                checkpoint.location,
                config=config,
                dtype="float32",
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                **checkpoint.arguments(),
            )


def compute_again(network: Any) -> None:
    """Let a network of transformers compute activations again in the backward pass."""
    # What it was called before.
    enable = getattr(network, "activation_checkpointing_enable", None) or network.gradient_checkpointing_enable
    enable()


def layers_of(model: nn.Module, blocks: str) -> list[list[str]]:
    """The names of the parameters by layer: what comes before the blocks, each block, and the rest.

    Args:
        model: The model.
        blocks: What the names of all blocks begin with, up to their number.
    """
    names = [name for name, _ in model.named_parameters()]
    numbered = [(name, name.removeprefix(blocks).partition(".")[0]) for name in names if name.startswith(blocks)]
    count = 1 + max((int(number) for _, number in numbered), default=-1)
    layers: list[list[str]] = [[] for _ in range(count + 2)]
    inner = {name: 1 + int(number) for name, number in numbered}
    heads = ("classifier", "projector", "layer_weights", "layernorm")
    for name in names:
        of_head = any(part in heads for part in name.split(".")[2:4]) and name not in inner
        layers[-1 if of_head else inner.get(name, 0)].append(name)
    return [layer for layer in layers if layer]
