"""The training problems that the benchmarks share: data in memory, networks of three sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset, TensorDataset

CLASSES = 10


class Task(NamedTuple):
    """A network, what it takes, and how many steps make a fair measurement."""

    network: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    batch_size: int
    steps: int


class TinyTransformer(nn.Module):
    """Four encoder blocks over 64 tokens."""

    def __init__(self) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(block, 4, enable_nested_tensor=False)
        self.head = nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, tokens, width)`` to one logit a class."""
        return self.head(self.encoder(x).mean(dim=1))


def tiny_mlp() -> nn.Module:
    """A network so small that only the loop around it costs."""
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def resnet18() -> nn.Module:
    """torchvision's, for 10 classes."""
    from torchvision.models import resnet18 as build

    return build(num_classes=CLASSES)


TASKS = {
    "mlp": Task(tiny_mlp, (32,), 64, 3000),
    "transformer": Task(TinyTransformer, (64, 128), 16, 100),
    "resnet18": Task(resnet18, (3, 64, 64), 16, 60),
}


class BySample(Dataset[tuple[Tensor, ...]]):
    """A dataset of a user's own, which gives one sample at a time."""

    def __init__(self, dataset: TensorDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return self.dataset[index]


def dataset(task: Task) -> TensorDataset:
    """Random inputs and labels, the same for everybody."""
    generator = torch.Generator().manual_seed(0)
    size = task.batch_size * task.steps
    shared = min(size, 4096)
    inputs = torch.randn(shared, *task.input_shape, generator=generator)
    inputs = inputs.repeat(-(-size // shared), *[1] * len(task.input_shape))[:size]
    return TensorDataset(inputs, torch.randint(CLASSES, (size,), generator=generator))


loss = functional.cross_entropy
