"""CIFAR-10 and CIFAR-100, read from files written as their authors describe."""

import dataclasses
import hashlib
import http.server
import tarfile
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from framework_core.errors import DataError
from framework_plugins_vision.datasets.cifar import EDITIONS, Cifar

COUNT = 200
"""Images in each file here; the real ones have 10,000 and 50,000."""


def write(folder: Path, classes: int) -> Path:
    """The binary files, as https://www.cs.toronto.edu/~kriz/cifar.html describes them, with few images."""
    edition = EDITIONS[classes]
    generator = np.random.default_rng(classes)
    folder.mkdir(parents=True)
    for name in (*edition.train, edition.test):
        labels = np.arange(COUNT, dtype=np.uint8) % classes
        pixels = generator.integers(0, 256, (COUNT, 3072), dtype=np.uint8)
        before = [labels // 5, labels] if classes == 100 else [labels]
        np.column_stack([*before, pixels]).astype(np.uint8).tofile(folder / name)
    (folder / edition.names).write_text("\n".join(f"class {number}" for number in range(classes)) + "\n\n")
    return folder


@pytest.mark.parametrize(("classes", "train"), [(10, 900), (100, 100)])
def test_images_labels_and_names_are_read(classes, train, tmp_path):
    folder = write(tmp_path / "files", classes)
    data = Cifar(classes, path=str(folder), augmentation="none", val_fraction=0.1 if classes == 10 else 0.5)
    data.prepare_data()
    data.setup()
    spec = data.data_spec()
    assert spec.input_shape == (3, 32, 32)
    assert spec.class_names[:2] == ("class 0", "class 1")
    assert spec.num_classes == classes
    assert spec.split_sizes == {"train": train, "val": COUNT * len(EDITIONS[classes].train) - train, "test": COUNT}
    image, label = data.test_dataset[3]
    record = np.fromfile(folder / EDITIONS[classes].test, dtype=np.uint8).reshape(COUNT, -1)[3]
    assert int(label) == 3
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (EDITIONS[classes].mean, EDITIONS[classes].std))
    expected = torch.from_numpy(record[-3072:].reshape(3, 32, 32).copy()) / 255
    torch.testing.assert_close(image * std + mean, expected)


def test_training_images_are_moved_and_mirrored_and_others_are_not(tmp_path):
    folder = write(tmp_path / "files", 10)
    moved, plain = (Cifar(10, path=str(folder), augmentation=name) for name in ("standard", "none"))
    for each in (moved, plain):
        each.setup()
    batch = torch.arange(64)
    assert not torch.equal(moved.train_dataset.batch(batch)[0], plain.train_dataset.batch(batch)[0])
    assert torch.equal(moved.test_dataset.batch(batch)[0], plain.test_dataset.batch(batch)[0])
    assert torch.equal(moved.train_dataset.batch(batch)[1], plain.train_dataset.batch(batch)[1])


def test_the_fingerprint_is_of_content_and_split(tmp_path):
    folder = write(tmp_path / "files", 10)

    def fingerprint(seed):
        data = Cifar(10, path=str(folder), split_seed=seed)
        data.setup()
        return data.fingerprint()

    assert fingerprint(0) == fingerprint(0) != fingerprint(1)


def test_the_folder_above_will_do(tmp_path):
    write(tmp_path / "cifar-10-batches-bin", 10)
    data = Cifar(10, path=str(tmp_path))
    data.setup()
    assert data.data_spec().split_sizes["test"] == COUNT


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "test_batch.bin").unlink(), "There is no file"),
        (lambda folder: (folder / "data_batch_2.bin").write_bytes(b"1234"), "is cut short"),
        (lambda folder: (folder / "batches.meta.txt").write_text("cat\n"), "there are 1 classes"),
    ],
)
def test_files_that_are_not_whole_are_told(spoil, said, tmp_path):
    spoil(write(tmp_path / "files", 10))
    with pytest.raises(DataError, match=said):
        Cifar(10, path=str(tmp_path / "files")).setup()


def test_it_trains_by_name(fw, project):
    write(project / "files", 10)
    words = ("model=vit", "dataset=cifar10", "trainer.max_epochs=1", "model.width=24", "model.depth=1", "--dry-run")
    done = fw("train", "dataset.path=files", *words)
    assert done.code == 0, done.err
    assert "cifar10: 900 train, 100 val, 200 test samples of 3x32x32, 10 classes" in done.err


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that hangs up because of what it was told is no error here."""


@pytest.fixture
def mirror(tmp_path):
    """A server with an archive of the right name and folder, but not the authors' images."""
    site = tmp_path / "site"
    site.mkdir()
    write(tmp_path / "made" / "cifar-10-batches-bin", 10)
    with tarfile.open(site / "cifar-10-binary.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "made" / "cifar-10-batches-bin", "cifar-10-batches-bin")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    with QuietServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.drawn
def test_images_that_are_not_the_authors_are_refused(fw, mirror, project, monkeypatch):
    # Nothing listens there: on this machine the authors' server shall not be asked.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    done = fw("train", "--model", "resnet20", "--dataset", "cifar10", f"dataset.mirror={mirror}")
    assert done.code == 2
    assert "it gives another file, of" in done.err
    assert "Traceback" not in done.err
    assert list(project.iterdir()) == []


def test_it_is_fetched_and_unpacked_once(mirror, tmp_path):
    content = (tmp_path / "site" / "cifar-10-binary.tar.gz").read_bytes()
    data = Cifar(10)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    url = f"{mirror}/cifar-10-binary.tar.gz"
    data.files = (dataclasses.replace(data.files[0], url=url, digest=digest, size=len(content)),)
    data.prepare_data()
    data.setup()
    assert data.data_spec().split_sizes == {"train": 900, "val": 100, "test": 200}
    assert data.folder == tmp_path / "cache" / "data" / "cifar10" / "cifar-10-batches-bin"
    assert (data.folder.parent / "cifar-10-binary.tar.gz").stat().st_size == len(content)
