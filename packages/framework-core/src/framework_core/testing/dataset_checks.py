"""Promises of a dataset: it is what it says, the same each time, and nobody's answers leak."""

from __future__ import annotations

import hashlib
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.testing.check import NotApplicableError, check, expect
from framework_core.testing.subjects import DatasetSubject, files_here

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule

SPLITS = ("train", "val", "test")
SERVED = 4
"""Files that are prepared as a server does."""
LOOKED_AT = 2000
"""Samples of a split that are compared at most."""
SHARED = 0.02
"""The share of a split's samples that may be in the training split by chance: real data has a few doubles."""


@check("dataset")
def says_what_it_is(dataset: DatasetSubject) -> None:
    """After its set-up it says what its data is: a task, sizes of splits, and a fingerprint."""
    data = dataset.data
    expect(bool(data.fingerprint), "its DataSpec has no fingerprint: nobody can tell whether the data changed")
    expect(bool(data.split_sizes), "its DataSpec has no split_sizes")
    for split, size in data.split_sizes.items():
        held = getattr(dataset.ready, f"{split}_dataset", None)
        if isinstance(held, Sized):
            expect(len(held) == size, f"split_sizes says {size} samples of {split}, there are {len(held)}")


@check("dataset")
def batches_are_what_it_says(dataset: DatasetSubject) -> None:
    """A batch of each split has the shapes, dtypes and labels that it said."""
    from framework_core.contracts.checks import DataContract
    from framework_core.training.preflight import is_pair, summary_of

    looked = 0
    for split in SPLITS:
        batch = next(iter(_batches(dataset.ready, split)), None)
        if batch is None or not is_pair(batch):
            continue
        looked += 1
        found = DataContract(data=dataset.data).check(summary_of(batch[0], batch[1], dataset.data.ignore_index))
        expect(not found, f"{split}: {'; '.join(found)}")
    if not looked:
        raise NotApplicableError("its batches are no pairs of inputs and targets")


@check("dataset")
def splits_share_nothing(dataset: DatasetSubject) -> None:
    """Validation and test have no samples that training has too, but for a few doubles of real data."""
    seen = {split: _digests(dataset.ready, split) for split in SPLITS}
    train = set(seen["train"])
    if not train or not (seen["val"] or seen["test"]):
        raise NotApplicableError("there is nothing to compare")
    for split in ("val", "test"):
        shared = sum(each in train for each in seen[split])
        expect(
            shared <= max(1, SHARED * len(seen[split])),
            f"{shared} of {len(seen[split])} samples of {split} are in train",
        )


@check("dataset")
def set_up_twice_is_the_same(dataset: DatasetSubject) -> None:
    """Set up twice it has the same samples in the same order and the same fingerprint."""
    from framework_core.training.preparation import data_spec_of

    again = dataset.module()
    expect(
        data_spec_of(again).fingerprint == dataset.data.fingerprint,
        "the fingerprint differs: does the split depend on something that no seed decides?",
    )
    for split in ("val", "test"):
        first, second = (next(iter(_batches(module, split)), None) for module in (dataset.ready, again))
        expect(_same(first, second), f"the first batch of {split} differs")


@check("dataset")
def evaluation_is_the_same_each_time(dataset: DatasetSubject) -> None:
    """Validation and test give the same batch when they are read again: nothing random is done to them."""
    for split in ("val", "test"):
        first, second = (next(iter(_batches(dataset.ready, split)), None) for _ in range(2))
        expect(_same(first, second), f"the first batch of {split} differs when it is read again")


@check("dataset")
def workers_give_the_same(dataset: DatasetSubject) -> None:
    """Two loading processes give the same batches as none."""
    module = dataset.ready
    if not hasattr(module, "num_workers"):
        raise NotApplicableError("it has no num_workers")
    before = module.num_workers
    try:
        taken = []
        for workers in (0, 2):
            module.num_workers = workers
            taken.append([batch for batch, _ in zip(_batches(module, "val"), range(3), strict=False)])
    finally:
        module.num_workers = before
    expect(_same(taken[0], taken[1]), "the batches of validation differ: is state shared between samples?")


@check("dataset")
def can_be_pickled(dataset: DatasetSubject) -> None:
    """Its datasets can be pickled, which loading processes need where they are not forked."""
    _ = dataset.ready
    for split in SPLITS:
        try:
            pickle.dumps(getattr(dataset.ready, f"{split}_dataset", None))
        except Exception as error:  # noqa: BLE001  # a stranger's code
            expect(False, f"{split}: {type(error).__name__}: {error}")


@check("dataset")
def offline_it_works_or_says_so(dataset: DatasetSubject) -> None:
    """Set up once, it asks nothing of the network."""
    _ = dataset.ready
    with _no_network() as asked:
        try:
            dataset.module()
        except Exception as error:  # noqa: BLE001  # a stranger's code
            expect(False, f"without a network it fails: {type(error).__name__}: {error}")
    expect(not asked, f"it asks {asked[0] if asked else ''}")


@check("dataset")
def missing_data_is_said_in_words(dataset: DatasetSubject) -> None:
    """Where its data is not there it says so, with the place, and no traceback."""
    from framework_core.errors import FrameworkError

    places = [key for key in ("path", "root", "folder", "directory") if key in type(dataset.config()).model_fields]
    if not places:
        raise NotApplicableError("it has no path")
    nowhere = str(Path("no", "such", "place").absolute())
    try:
        dataset.module(**{places[0]: nowhere})
    except FrameworkError as error:
        expect(nowhere in str(error), f"it says {str(error)!r}, which does not name {nowhere}")
    except Exception as error:  # noqa: BLE001  # a stranger's code
        expect(False, f"{places[0]}={nowhere} ends in {type(error).__name__}: {error}; a DataError would be read")
    else:
        expect(False, f"{places[0]}={nowhere} is taken without a word")


@check("dataset")
def set_up_leaves_the_folder_alone(dataset: DatasetSubject) -> None:
    """Setting it up writes nothing in the working folder."""
    files = files_here()
    dataset.module()
    new = [name for name in files_here() if name not in files]
    expect(not new, f"it writes {', '.join(new)} in the working folder")


@check("dataset")
def serving_prepares_the_same(dataset: DatasetSubject) -> None:
    """A server prepares files without torch, and makes of them what ``predict_dataset`` makes."""
    from framework_core.deployment.golden_files import check_inputs
    from framework_core.errors import FrameworkError
    from framework_core.serving.processing import build

    ready: Any = dataset.ready
    processing = getattr(ready, "preprocessing", lambda _: None)(dataset.data)
    if processing is None:
        raise NotApplicableError("it has no preprocessing for servers")
    module = processing.builder.partition(":")[0]
    code = f"import sys; sys.path[:] = {sys.path!r}; __import__({module!r}); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], timeout=60)
    expect(done.returncode == 0, f"{module}, which prepares files for a server, imports torch")
    with tempfile.TemporaryDirectory() as folder:
        paths = list(ready.sample_files(SERVED, Path(folder)))
        if not paths:
            raise NotApplicableError("it has no samples of its test as files")
        try:
            check_inputs(ready.predict_dataset(paths, dataset.data), paths, build(processing))
        except FrameworkError as error:
            expect(False, str(error))


def _batches(module: LightningDataModule, split: str) -> Iterator[Any]:
    from framework_core.training.preparation import has_batches

    if split != "train" and not has_batches(module, split):
        return
    loader = getattr(module, f"{split}_dataloader")()
    yield from loader if not isinstance(loader, list) else (batch for each in loader for batch in each)


def _digests(module: LightningDataModule, split: str) -> list[bytes]:
    """A digest of each sample, of what it is before anything random is done to it."""
    held = getattr(module, f"{split}_dataset", None)
    if held is None or not hasattr(held, "__len__") or not hasattr(held, "__getitem__"):
        return []
    indices = range(min(len(held), LOOKED_AT))
    hashes = getattr(module, "sample_hashes", lambda *_: ())(split, indices)
    if hashes:
        return [each.exact for each in hashes]
    return [_digest(held[index]) for index in indices]


def _digest(sample: Any) -> bytes:
    return hashlib.sha256(b"".join(_bytes(sample))).digest()


def _bytes(sample: Any) -> Iterator[bytes]:
    import numpy as np
    import torch

    if isinstance(sample, torch.Tensor | np.ndarray):
        yield np.ascontiguousarray(sample).tobytes()
    elif isinstance(sample, dict):
        for key in sorted(sample):
            yield from _bytes(sample[key])
    elif isinstance(sample, list | tuple):
        for part in sample:
            yield from _bytes(part)
    else:
        yield repr(sample).encode()


def _same(one: Any, other: Any) -> bool:
    return b"".join(_bytes(one)) == b"".join(_bytes(other))


@contextmanager
def _no_network() -> Iterator[list[str]]:
    """Every connection is refused and noted, but for those of threads that are at something else already."""
    asked: list[str] = []
    connect = socket.socket.connect
    others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family == getattr(socket, "AF_UNIX", None) or threading.get_ident() in others:
            connect(self, address)
            return
        asked.append(str(address))
        raise OSError("the network is switched off for this check")

    socket.socket.connect = refuse  # type: ignore[method-assign,assignment]
    try:
        yield asked
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]
