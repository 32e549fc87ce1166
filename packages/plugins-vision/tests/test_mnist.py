"""MNIST and Fashion-MNIST, read from files written as their authors describe."""

import gzip
import struct

import numpy as np
import pytest
import torch

from framework_core.errors import DataError
from framework_plugins_vision.datasets.mnist import CLASSES, STATISTICS, Mnist

COUNTS = {"train": 60, "t10k": 20}


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder, *, zipped=True):
    """The four files, with few images."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in COUNTS.items():
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            content = idx(array)
            (folder / f"{name}.gz").write_bytes(gzip.compress(content)) if zipped else (folder / name).write_bytes(
                content
            )
    return folder


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("edition", ["mnist", "fashion_mnist"])
def test_images_labels_and_names_are_read(edition, zipped, tmp_path):
    folder = write(tmp_path / "files", zipped=zipped)
    data = Mnist(edition, path=str(folder), augmentation="none", val_fraction=0.5)
    data.prepare_data()
    data.setup()
    spec = data.data_spec()
    assert spec.input_shape == (1, 28, 28)
    assert spec.class_names == CLASSES[edition]
    assert spec.split_sizes == {"train": 30, "val": 30, "test": 20}
    image, label = data.test_dataset[13]
    assert int(label) == 3
    name = folder / f"t10k-images-idx3-ubyte{'.gz' if zipped else ''}"
    content = gzip.decompress(name.read_bytes()) if zipped else name.read_bytes()
    pixels = np.frombuffer(content, dtype=np.uint8, offset=16).reshape(-1, 28, 28)[13]
    mean, std = STATISTICS[edition]
    torch.testing.assert_close(image[0] * std + mean, torch.from_numpy(pixels / 255).float())


@pytest.mark.parametrize(("edition", "mirrors"), [("mnist", False), ("fashion_mnist", True)])
def test_clothes_are_mirrored_and_digits_are_not(edition, mirrors, tmp_path):
    data = Mnist(edition, path=str(write(tmp_path / "files")))
    data.setup()
    assert data.train_dataset.mirror is mirrors
    assert data.train_dataset.shift == 2


def test_the_fingerprint_is_of_content_and_split(tmp_path):
    folder = write(tmp_path / "files")

    def fingerprint(seed):
        data = Mnist(path=str(folder), split_seed=seed, val_fraction=0.5)
        data.setup()
        return data.fingerprint()

    assert fingerprint(0) == fingerprint(0) != fingerprint(1)


def cut_short(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-5000])


def cut_short_unzipped(folder):
    (folder / "train-images-idx3-ubyte.gz").unlink()
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((60, 28, 28), np.uint8))[:-100])


def no_label_file(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()


def label_out_of_range(folder):
    labels = np.arange(60, dtype=np.uint8) % 10
    labels[7] = 12
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


def fewer_labels(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(19, np.uint8))))


def another_size(folder):
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((20, 32, 32), np.uint8))))


def no_idx(folder):
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"<html>not found</html>")


BAD = [
    (cut_short, ["train-images-idx3-ubyte.gz is cut short"]),
    (
        cut_short_unzipped,
        ["train-images-idx3-ubyte has 46,956 bytes; its beginning says 60x28x28, which takes 47,056."],
    ),
    (no_label_file, ["There is no file", "t10k-labels-idx1-ubyte.gz", "or the same without .gz"]),
    (label_out_of_range, ["is 12 (training image 7), but there are 10 classes.", "Labels run from 0 to 9."]),
    (fewer_labels, ["has 20 test images and 19 labels."]),
    (another_size, ["holds 20x32x32 bytes, not images of 28x28."]),
    (no_idx, ["t10k-images-idx3-ubyte.gz is no IDX file of bytes."]),
]


@pytest.mark.parametrize(("spoil", "said"), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
def test_files_that_are_not_whole_are_told_by_one_message(spoil, said, tmp_path):
    spoil(write(tmp_path / "files"))
    with pytest.raises(DataError) as caught:
        Mnist(path=str(tmp_path / "files")).setup()
    for words in said:
        assert words in str(caught.value)


def test_it_trains_by_name_and_bad_files_end_in_one_message(fw, project):
    write(project / "files")
    words = ("train", "--model", "resnet20", "--dataset", "mnist", "dataset.path=files", "--dry-run")
    done = fw(*words, "dataset.val_fraction=0.5")
    assert done.code == 0, done.err
    assert "mnist: 30 train, 30 val, 20 test samples of 1x28x28, 10 classes" in done.err
    label_out_of_range(project / "files")
    done = fw(*words)
    assert (done.code, done.err.count("error:"), "Traceback" in done.err) == (2, 1, False)
