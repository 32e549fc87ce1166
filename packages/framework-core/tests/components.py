"""A model and a dataset as a user writes them: iris flowers from scikit-learn, 150 real measurements."""

import csv
import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from framework_core import BaseDataModule, BaseModel, DataSpec


class Net(BaseModel):
    """A small network for measurements."""

    tasks = ("tabular-classification",)
    monitor = ("val/accuracy", "max")

    def __init__(self, width: int = 16, drop_rate: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.drop_rate = drop_rate

    def _build_model(self):
        features = self.data.input_shape[0]
        return nn.Sequential(
            nn.Linear(features, self.width),
            nn.ReLU(),
            nn.Dropout(self.drop_rate),
            nn.Linear(self.width, self.data.num_classes),
        )

    def _setup_metrics(self):
        return {"accuracy": MulticlassAccuracy(self.data.num_classes, average="micro")}

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)

    def predict_step(self, batch, batch_idx):
        return {"label": [self.data.class_names[index] for index in self(batch).argmax(1).tolist()]}


def iris():
    """The rows of scikit-learn's file; scikit-learn itself would take longer to import than the training takes."""
    file = Path(find_spec("sklearn").origin).with_name("datasets") / "data" / "iris.csv"
    with file.open() as text:
        return list(csv.reader(text))


class Iris(BaseDataModule):
    """Three kinds of iris by four measurements."""

    tasks = ("tabular-classification",)
    in_memory = True
    suffixes = (".txt",)

    def __init__(self, batch_size: int = 16, num_workers: int | None = None, held_out: int = 5):
        super().__init__(batch_size=batch_size, num_workers=num_workers)
        self.held_out = held_out

    def setup(self, stage=None):
        (_, _, *names), *rows = iris()
        self.names = tuple(names)
        features = torch.tensor([[float(number) for number in row[:-1]] for row in rows])
        labels = torch.tensor([int(row[-1]) for row in rows])
        fold = torch.arange(len(labels)) % self.held_out
        self.train_dataset = TensorDataset(features[fold > 1], labels[fold > 1])
        self.val_dataset = TensorDataset(features[fold == 1], labels[fold == 1])
        self.test_dataset = TensorDataset(features[fold == 0], labels[fold == 0])
        self.digest = hashlib.sha256(features.numpy().tobytes()).hexdigest()

    def data_spec(self):
        return DataSpec(
            task="tabular-classification",
            input_shape=(4,),
            class_names=self.names,
            split_sizes={
                "train": len(self.train_dataset),
                "val": len(self.val_dataset),
                "test": len(self.test_dataset),
            },
            fingerprint=f"content:{self.digest[:32]}",
            source="sklearn.datasets.load_iris",
        )

    def predict_dataset(self, paths, data):
        return [torch.tensor([float(word) for word in path.read_text().split()]) for path in paths]
