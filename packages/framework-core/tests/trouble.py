"""Models and data that go wrong, each in its own way."""

import ctypes
import os
import signal
import time

import torch
from mine import Iris, Net
from torch.utils.data import Dataset, get_worker_info

STEPS = 6
"""Steps of an epoch of iris."""


class Net8(Net):
    """Knows which step it is in, from 1."""

    def __init__(self, at: int = 8, where: str = "layer", **kwargs):
        super().__init__(**kwargs)
        self.at = at
        self.where = where
        self.now = 0

    def training_step(self, batch, batch_idx):
        self.now = self.current_epoch * STEPS + batch_idx + 1
        return super().training_step(batch, batch_idx)


class NotFinite(Net8):
    """A number that is none, in one step: in a layer, in a gradient, or because the loss overflows."""

    def _build_model(self):
        network = super()._build_model()
        network[1].register_forward_hook(self._spoil)
        return network

    def _spoil(self, layer, inputs, output):
        return output / 0 if self.training and self.now == self.at and self.where == "layer" else None

    def loss(self, outputs, target):
        loss = super().loss(outputs, target)
        if self.training and self.now == self.at:
            if self.where == "gradient":
                return loss + (self.model[3].weight * 0).abs().sqrt().sum()
            if self.where == "loss":
                return loss * 1e38 * 1e38
        return loss


class Spike(Net8):
    """A loss a hundred times the others, in one step."""

    def loss(self, outputs, target):
        return super().loss(outputs, target) * (100 if self.training and self.now == self.at else 1)


class Crash(Net8):
    """An error of the author's own."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if self.now == self.at:
            raise ValueError("my own mistake with tops3cret")
        return loss


class Stuck(Net8):
    """Sleeps in one step."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if self.now == self.at:
            time.sleep(3)
        return loss


class Large(Net):
    """Needs more memory than there is for more than four samples."""

    def training_step(self, batch, batch_idx):
        if len(batch[0]) > 4:
            torch.empty(2**46)
        return super().training_step(batch, batch_idx)


class Samples(Dataset):
    """Reading one of them goes wrong in a loading process."""

    def __init__(self, whole, how):
        self.whole, self.how = whole, how

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        if index == 60 and get_worker_info() is not None:
            if self.how == "SIGKILL":
                os.kill(os.getpid(), 9)
            if self.how == "SIGSEGV":
                ctypes.string_at(0)
            if self.how == "exit":
                os._exit(3)
            if self.how == "sleep":
                time.sleep(600)
        return self.whole[index]


class Dying(Iris):
    """Data whose reading goes wrong."""

    in_memory = False

    def __init__(self, how: str = "SIGKILL", num_workers: int | None = 1, **kwargs):
        super().__init__(num_workers=num_workers, **kwargs)
        self.how = how

    def setup(self, stage=None):
        super().setup(stage)
        self.train_dataset = Samples(self.train_dataset, self.how)


class EndsThem(Net):
    """Kills the loading processes when they are about to be ended anyway."""

    def cpu(self):
        if self._trainer is not None and self.trainer.state.fn == "fit":
            for process in self.trainer.fit_loop._combined_loader.flattened[0]._iterator._workers:
                process.kill()
            time.sleep(0.3)
        return super().cpu()


class Noisy(Iris):
    """Data with an augmentation that draws random numbers."""

    in_memory = False

    def setup(self, stage=None):
        super().setup(stage)
        self.train_dataset = Augmented(self.train_dataset)


class Augmented(Dataset):
    """Adds noise to each sample."""

    def __init__(self, whole):
        self.whole = whole

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        inputs, target = self.whole[index]
        return inputs + 0.1 * torch.randn_like(inputs), target


class Lonely(Net):
    """Has parameters that no step uses."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.spare = torch.nn.Linear(2, 2)


class Dies(Net):
    """Of several processes that train it the second dies."""

    def training_step(self, batch, batch_idx):
        if self.global_step == 4 and self.global_rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().training_step(batch, batch_idx)
