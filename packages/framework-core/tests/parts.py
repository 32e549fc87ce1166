"""A model that writes down what it loses, over the samples of all processes."""

import json
import os
from pathlib import Path

import torch
from mine import Net
from torch import distributed


class Told(Net):
    """Writes the loss of each step into a file, a line each."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        value, count = float(loss.detach()), len(batch[0])
        total = torch.tensor([value * count, count], dtype=torch.float64)
        if distributed.is_initialized():
            distributed.all_reduce(total)
        if self.global_rank == 0:
            with Path(os.environ["LOSSES"]).open("a") as file:
                file.write(json.dumps([self.trainer.global_step + 1, float(total[0] / total[1])]) + "\n")
        return loss
