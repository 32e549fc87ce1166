"""A good plugin, and the same with one defect each; the check that is to find it is named."""

PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import DatasetSpec, ModelSpec


@hookimpl
def register_components():
    yield ModelSpec(
        name="leaper",
        domain="ponds",
        tasks=("tabular-classification",),
        summary="A small network for measurements",
        builder="frog.models:Leaper",
        config="frog.settings:LeaperConfig",
        check_settings=("dataset=pond",),
    )
    yield DatasetSpec(
        name="pond",
        domain="ponds",
        tasks=("tabular-classification",),
        summary="Three kinds of points",
        builder="frog.data:Pond",
        config="frog.settings:PondConfig",
    )


@hookimpl
def register_config_packages():
    return ["frog.conf"]
"""
SETTINGS = """
from typing import Any

from framework_core.contracts import ComponentConfig


class LeaperConfig(ComponentConfig):
    '''A small network.'''

    width: int = 16
    '''How many units it has.'''


class PondConfig(ComponentConfig):
    '''Three kinds of points.'''

    batch_size: int = 8
    '''How many samples make a batch.'''

    num_workers: int | None = 0
    '''How many processes load.'''

    path: str = ""
    '''A file of points; empty makes some.'''
"""
MODELS = """
import os
import random

import torch
from torch import nn
from torchmetrics.classification import MulticlassAccuracy

from framework_core import BaseModel


class Leaper(BaseModel):
    '''A small network for measurements.'''

    tasks = ("tabular-classification",)

    def __init__(self, width: int = 16, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def _build_model(self):
        features, classes = self.data.input_shape[0], self.data.num_classes
        return nn.Sequential(nn.Linear(features, self.width), nn.ReLU(), nn.Linear(self.width, classes))

    def _setup_metrics(self):
        return {"accuracy": MulticlassAccuracy(self.data.num_classes)}

    def forward(self, x):
        return self.model(x)

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)
"""
DATA = """
import os
import socket
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from framework_core import BaseDataModule, DataSpec
from framework_core.contracts import Processing
from framework_core.errors import DataError


class Pond(BaseDataModule):
    '''Three kinds of points.'''

    tasks = ("tabular-classification",)

    def __init__(self, path: str = "", **kwargs):
        super().__init__(**kwargs)
        self.path = path

    def setup(self, stage=None):
        if self.path and not Path(self.path).is_file():
            raise DataError(f"There is no file {self.path}.")
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(90) % 3
        points = torch.randn(90, 4, generator=generator) + 3 * labels[:, None]
        order = torch.randperm(90, generator=generator)
        train, val, test = order[:50], order[50:70], order[70:]
        self.train_dataset, self.val_dataset, self.test_dataset = (
            self.part(points[part], labels[part]) for part in (train, val, test)
        )

    def part(self, points, labels):
        return TensorDataset(points, labels)

    def data_spec(self):
        sizes = {"train": 50, "val": 20, "test": 20}
        return DataSpec(
            task="tabular-classification",
            input_shape=(4,),
            class_names=("a", "b", "c"),
            split_sizes=sizes,
            fingerprint="content:1",
        )

    def predict_dataset(self, paths, data):
        return [torch.tensor([float(word) for word in path.read_text().split(",")]) for path in paths]

    def sample_files(self, count, folder):
        for number in range(count):
            (folder / f"{number}.csv").write_text(",".join(map(str, self.test_dataset[number][0].tolist())))
        return sorted(folder.iterdir())

    def preprocessing(self, data):
        return Processing(builder="frog.serving:Points")
"""
SERVING = """
import numpy as np

from framework_core.serving import Preprocessing, Sample


class Points(Preprocessing):
    suffixes = (".csv",)

    def samples(self, content, suffix):
        return [Sample(np.array([float(word) for word in content.decode().split(",")], np.float32))]
"""
CONF = {
    "frog/conf/__init__.py": "",
    "frog/conf/experiment/hop.yaml": (
        "# @package _global_\ndefaults:\n  - override /model: leaper\n  - override /dataset: pond\nmodel:\n  width: 8\n"
    ),
}
FILES = {
    "frog/__init__.py": "",
    "frog/plugin.py": PLUGIN,
    "frog/settings.py": SETTINGS,
    "frog/models.py": MODELS,
    "frog/data.py": DATA,
    "frog/serving.py": SERVING,
    "frog/cli.py": "import typer\n\napp = typer.Typer()\n",
    **CONF,
}
ENTRIES = "[framework.plugins]\nfrog = frog.plugin\n\n[framework.commands]\nfrog = frog.cli:app\n"
METADATA = "License-Expression: MIT\nRequires-Dist: framework-core<0.2,>=0.1\n"

TOP = "\nfrom framework_core import hookimpl\n"
FORWARD = "        return self.model(x)\n"
LOSS = "        return nn.functional.cross_entropy(outputs, target)\n"
WIDTH = "        self.width = width\n"
LINEAR = "nn.Linear(self.width, classes))"
ITEMS = "        return TensorDataset(points, labels)\n"
STRANGE_ITEMS = """        return Strange(points, labels)


class Strange(torch.utils.data.Dataset):
    def __init__(self, points, labels):
        self.points, self.labels, self.reads = points, labels, 0

    def __len__(self):
        return len(self.points)

    def __getitem__(self, index):
        {}
"""

DEFECTS = {
    # name: (the check that finds it, the file, what stands there, what stands there in its place)
    "has entry points of another group": ("offers_something", "ENTRIES", "framework.", "framewerk."),
    "imports torch at the top": ("import_is_light", "plugin", TOP, f"\nimport torch{TOP}"),
    "takes long to import": (
        *("import_is_quick", "plugin", TOP),
        f"\nimport time\nend = time.process_time() + 0.7\nwhile time.process_time() < end: pass{TOP}",
    ),
    "prints at import": ("import_is_silent", "plugin", TOP, f"\nprint('ribbit'){TOP}"),
    "writes at import": ("import_leaves_nothing", "plugin", TOP, f"\nopen('spawn.txt', 'w').close(){TOP}"),
    "starts a thread at import": (
        *("import_leaves_nothing", "plugin", TOP),
        f"\nimport threading, time\nthreading.Thread(target=time.sleep, args=(30,), daemon=True).start(){TOP}",
    ),
    "raises at import": ("import_works", "plugin", TOP, f"\nraise RuntimeError('no driver'){TOP}"),
    "ends the process": ("import_works", "plugin", TOP, f"\nimport os\nos._exit(3){TOP}"),
    "exits at import": ("import_works", "plugin", TOP, f"\nraise SystemExit(0){TOP}"),
    "hangs at import": ("import_works", "plugin", TOP, f"\nimport time\ntime.sleep(600){TOP}"),
    "misspells a hook": ("plugins_are_active", "plugin", "def register_components", "def register_componets"),
    "has a spec with an unknown field": ("plugins_are_active", "plugin", "summary=", "sumary="),
    "is for a newer contract": (
        *("contract_is_known", "plugin", 'summary="A small', 'contract_version=99, summary="A small'),
    ),
    "takes another's name": ("names_are_its_own", "plugin", 'name="leaper"', 'name="toad"'),
    "belongs to no domain": ("components_are_described", "plugin", 'domain="ponds"', 'domain=""'),
    "has no licence": ("has_licence", "METADATA", "License-Expression: MIT\n", ""),
    "takes any core": ("says_which_core", "METADATA", "framework-core<0.2,>=0.1", "framework-core"),
    "names a class that is not there": ("components_can_be_imported", "plugin", "models:Leaper", "models:Leapr"),
    "imports torch for its settings": (
        "settings_are_light",
        "settings",
        "\nfrom typing",
        "\nimport torch\nfrom typing",
    ),
    "misspells a key of an experiment": ("experiments_are_valid", "conf/experiment/hop.yaml", "width", "widht"),
    "has a command that is none": ("commands_can_be_called", "cli", "app = typer.Typer()", "app = 3"),
    "explains a setting with nothing": (
        "settings_are_documented",
        "settings",
        "    '''How many units it has.'''\n",
        "",
    ),
    "has a default that is refused": ("defaults_are_valid", "settings", "width: int = 16", "width: int = 'wide'"),
    "takes what it does not know": (
        *("unknown_settings_are_refused", "settings", "    width: int = 16"),
        "    model_config = {'extra': 'ignore'}\n    width: int = 16",
    ),
    "has a setting without a type": ("settings_have_types", "settings", "width: int = 16", "width: Any = 16"),
    "takes any value": ("wrong_values_are_refused", "settings", "width: int = 16", "width: object = 16"),
    "asks for other data than its own": (
        *("fits_its_data", "models", "    def _build_model"),
        "    @property\n    def contract(self):\n"
        "        from framework_core.contracts import ModelContract\n"
        "        return ModelContract(min_classes=7)\n\n    def _build_model",
    ),
    "writes when it is built": (
        *("building_leaves_the_process_alone", "models", WIDTH),
        f"{WIDTH}        open('built.txt', 'w').close()\n",
    ),
    "changes what all of its kind share": (
        *("built_twice_is_the_same", "models", WIDTH),
        "        Leaper.grown = getattr(Leaper, 'grown', 0) + 1\n        self.width = width + Leaper.grown\n",
    ),
    "knows three classes only": ("takes_what_the_data_says", "models", LINEAR, "nn.Linear(self.width, 3))"),
    "gives a number too much": ("outputs_fit", "models", LINEAR, "nn.Linear(self.width, classes + 1))"),
    "has a loss that is not finite": ("loss_is_a_finite_number", "models", LOSS, LOSS.rstrip() + " / 0\n"),
    "has a parameter that nothing uses": (
        *("gradients_reach_every_parameter", "models", WIDTH),
        f"{WIDTH}        self.idle = nn.Parameter(torch.zeros(3))\n",
    ),
    "learns nothing": (
        *("learns_one_batch", "models", LOSS),
        LOSS.rstrip() + ".detach() + 0 * outputs.sum()\n",
    ),
    "draws what no seed decides": (
        *("steps_are_deterministic", "models", LOSS),
        LOSS.rstrip() + " * (1 + int.from_bytes(os.urandom(2), 'big') / 2**16)\n",
    ),
    "drops out in evaluation": (
        *("evaluation_is_steady", "models", FORWARD),
        "        return nn.functional.dropout(self.model(x), 0.3, training=True)\n",
    ),
    "looks at its neighbours": (
        *("samples_are_independent", "models", FORWARD),
        "        return self.model(x - x.mean(0))\n",
    ),
    "changes its inputs": ("batch_is_left_as_it_was", "models", FORWARD, "        return self.model(x.mul_(2))\n"),
    "keeps weights outside of its state": (
        *("state_comes_back", "models", FORWARD),
        "        if 'hidden' not in self.__dict__:\n"
        "            self.__dict__['hidden'] = torch.rand(1)\n"
        "        return self.model(x) * self.hidden\n",
    ),
    "cannot be copied": (
        *("copies_are_equal", "models", WIDTH),
        f"{WIDTH}        import threading\n        self.lock = threading.Lock()\n",
    ),
    "has no bfloat16": (
        *("mixed_precision_works", "models", FORWARD),
        "        outputs = self.model(x)\n        if outputs.dtype != x.dtype:\n"
        "            raise RuntimeError('expected Float but found BFloat16')\n        return outputs\n",
    ),
    "forgets what training taught it": (
        *("run_can_be_measured_again", "models", FORWARD),
        "        return self.model(x) + 5 * torch.randn(1, 3)\n",
    ),
    "says sizes that are not so": ("says_what_it_is", "data", '"train": 50', '"train": 51'),
    "has no fingerprint": ("says_what_it_is", "data", 'fingerprint="content:1"', 'fingerprint=""'),
    "has labels from one": (
        *("batches_are_what_it_says", "data", "labels = torch.arange(90) % 3"),
        "labels = torch.arange(90) % 3 + 1",
    ),
    "trains on its test": (
        "splits_share_nothing",
        "data",
        "order[:50], order[50:70], order[70:]",
        "order[:50], order[50:70], order[40:60]",
    ),
    "splits without a seed": (
        "set_up_twice_is_the_same",
        "data",
        "torch.randperm(90, generator=generator)",
        "torch.randperm(90)",
    ),
    "draws noise in evaluation": (
        *("evaluation_is_the_same_each_time", "data", ITEMS),
        STRANGE_ITEMS.format("return self.points[index] + torch.randn(4), self.labels[index]"),
    ),
    "counts what it was read": (
        *("workers_give_the_same", "data", ITEMS),
        STRANGE_ITEMS.format(
            "self.reads += 1\n        return self.points[index] + self.reads % 20, self.labels[index]"
        ),
    ),
    "holds what cannot be pickled": (
        *("can_be_pickled", "data", ITEMS),
        STRANGE_ITEMS.format("return self.points[index], self.labels[index]").replace(
            "points, labels, 0", "points, labels, (lambda: 0)"
        ),
    ),
    "asks the network": (
        *("offline_it_works_or_says_so", "data", "        generator ="),
        "        import contextlib\n        with contextlib.suppress(OSError):\n"
        "            socket.create_connection(('127.0.0.1', 9), 1)\n        generator =",
    ),
    "raises its own error where data is missing": (
        *("missing_data_is_said_in_words", "data", "raise DataError(", "raise FileNotFoundError("),
    ),
    "takes a missing place without a word": (
        *("missing_data_is_said_in_words", "data", "if self.path and", "if not self.path and"),
    ),
    "writes in the working folder": (
        *("set_up_leaves_the_folder_alone", "data", "        generator ="),
        "        Path(f'{os.urandom(4).hex()}.npy').touch()\n        generator =",
    ),
    "prepares files for a server otherwise": (
        *("serving_prepares_the_same", "serving", "np.float32))", "np.float32) / 255)"),
    ),
    "needs torch to prepare files for a server": (
        *("serving_prepares_the_same", "serving", "import numpy as np", "import numpy as np\nimport torch"),
    ),
}
"""Each defect, and the check that finds it."""
