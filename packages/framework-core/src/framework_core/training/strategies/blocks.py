"""The parts of a model that are sharded one by one: the blocks that it repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import nn
from torchmetrics import Metric

from framework_core.errors import ConfigError, ConfigProblem

LISTS = (nn.ModuleList, nn.Sequential, nn.ModuleDict)


def blocks_of(model: nn.Module, named: Sequence[str] = ()) -> list[nn.Module]:
    """The outermost modules of a class that a list of the model repeats: transformer layers, stages, residual blocks.

    Args:
        model: The model.
        named: Classes to take in place of those.

    Raises:
        ConfigError: The model has no module of a class that was named.
    """
    if named:
        missing = sorted(set(named) - {type(each).__name__ for each in model.modules()})
        if missing:
            repeated = sorted({type(each).__name__ for each in _repeated(model)})
            possible = f" Possible: {', '.join(repeated)}" if repeated else ""
            message = f"{type(model).__name__} has no module of the class {', '.join(missing)}.{possible}"
            raise ConfigError([ConfigProblem("distributed.blocks", message)])
        return [each for each in model.modules() if type(each).__name__ in named]
    return _repeated(model)


def _repeated(module: nn.Module) -> list[nn.Module]:
    found: list[nn.Module] = []
    counts = Counter(type(child) for child in module.children()) if isinstance(module, LISTS) else Counter()
    for child in module.children():
        if isinstance(child, Metric):
            continue
        is_block = counts[type(child)] > 1 and not isinstance(child, LISTS) and any(True for _ in child.children())
        if is_block and any(True for _ in child.parameters()):
            found.append(child)
        else:
            found += _repeated(child)
    return found


def checkpoint_activations(blocks: Sequence[nn.Module], model: nn.Module) -> None:
    """Compute the activations of blocks again in the backward pass in place of keeping them.

    Args:
        blocks: The blocks.
        model: The model that they are of.
    """
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing

    chosen = {id(each) for each in blocks}
    apply_activation_checkpointing(model, check_fn=lambda module: id(module) in chosen)
