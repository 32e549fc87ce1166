"""Models and data that are not the same in every process that trains together, each in its own way."""

import os

import torch
from mine import Iris, Net
from torch import distributed, nn
from torch.utils.data import DataLoader, IterableDataset, Sampler, TensorDataset

from framework_core.errors import DataError


def rank():
    """The number that whoever starts processes tells them."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0)))


class UnusedLayer(Net):
    """A layer that no loss depends on."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.spare = nn.Linear(3, 3)


class SkippedLayer(Net):
    """A layer that one process leaves out."""

    def _build_model(self):
        network = super()._build_model()
        self.gate = nn.Linear(self.data.num_classes, self.data.num_classes)
        return network

    def loss(self, outputs, target):
        return super().loss(outputs if self.training and rank() == 2 else self.gate(outputs), target)


class Conditional(Net):
    """Only the first process counts, and the others do not come."""

    def training_step(self, batch, batch_idx):
        if self.global_rank == 0 and batch_idx == 1:
            distributed.all_reduce(torch.ones(3))
        return super().training_step(batch, batch_idx)


class ConditionalLog(Net):
    """One process means to log the mean of all in validation."""

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        if self.global_rank == 1:
            self.log("val/mine", 1.0, sync_dist=True)


class OtherShape(Net):
    """Processes exchange tensors of other lengths."""

    def training_step(self, batch, batch_idx):
        distributed.all_reduce(torch.ones(4 if rank() == 3 else 3))
        return super().training_step(batch, batch_idx)


class SeedOfRank(Net):
    """Weights drawn by the number of the process."""

    def _build_model(self):
        torch.manual_seed(rank())
        return super()._build_model()


class ValueOfRank(Net):
    """A buffer that goes by the number of the process."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.register_buffer("scale", torch.tensor(float(rank() == 3)))


class WidthOfRank(Net):
    """One process builds another model."""

    def _build_model(self):
        self.width = 8 if rank() == 1 else 16
        return super()._build_model()


class Fails(Net):
    """One process fails."""

    def training_step(self, batch, batch_idx):
        if rank() == 2:
            raise ValueError("no luck")
        return super().training_step(batch, batch_idx)


class Good(Net):
    """Whatever goes by the rank here does not matter to the others."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("train/sum", loss, sync_dist=True)
        everyone = [None] * distributed.get_world_size()
        distributed.all_gather_object(everyone, "a" * rank())
        return loss


class Fewer(Iris):
    """One process finds a file less."""

    def setup(self, stage=None):
        super().setup(stage)
        if rank() == 1:
            self.train_dataset = TensorDataset(*self.train_dataset[:80])


class Part(Sampler):
    """Every process has its own samples, and the first has more of them."""

    def __init__(self, count):
        self.own = range(rank(), count, 4) if rank() else range(0, count, 2)

    def __len__(self):
        return len(self.own)

    def __iter__(self):
        return iter(self.own)


class OwnSampler(Iris):
    """Shares out its samples itself."""

    def train_dataloader(self):
        return DataLoader(self.train_dataset, batch_size=4, sampler=Part(len(self.train_dataset)))


class Stream(IterableDataset):
    """Rows as they come, shared out by rank."""

    def __init__(self, rows, share):
        self.rows = rows
        self.share = share

    def __iter__(self):
        inputs, target = self.rows[:]
        world = int(os.environ.get("WORLD_SIZE", 1))
        more = 8 * (rank() == world - 1) if self.share == "uneven" else 0
        own = slice(None) if self.share == "none" else slice(rank(), 40 + world * more, world)
        yield from zip(inputs[own], target[own], strict=True)


class Streamed(Iris):
    """A stream: evenly shared, unevenly, or not at all."""

    def __init__(self, share: str = "even", **kwargs):
        super().__init__(**kwargs)
        self.share = share

    def train_dataloader(self):
        return DataLoader(Stream(self.train_dataset, self.share), batch_size=self.batch_size)


class Tiny(Iris):
    """Fewer samples than processes."""

    def setup(self, stage=None):
        super().setup(stage)
        self.train_dataset = TensorDataset(*self.train_dataset[:3])


class Missing(Iris):
    """Data that is not there."""

    def setup(self, stage=None):
        raise DataError("There is no file iris.csv.")


class Waits(Net):
    """One process waits for the others where they never come."""

    def training_step(self, batch, batch_idx):
        if self.global_rank == 1 and batch_idx == 2:
            distributed.barrier()
        return super().training_step(batch, batch_idx)
