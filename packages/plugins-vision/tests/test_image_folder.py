"""Folders of images by class."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from framework_core import registry
from framework_core.errors import ConfigError, DataError

SMALL = {"image_size": 16, "batch_size": 4}


@pytest.fixture
def folder():
    """The datamodule of a folder, set up."""

    def made(path, **settings):
        module = registry.create_dataset("image_folder", path=str(path), **{**SMALL, **settings})
        module.prepare_data()
        module.setup("fit")
        return module

    return made


def files_of(module):
    """The files of each split, relative to the folder, with the name of their class."""
    found = {}
    for split in ("train", "val", "test"):
        dataset = getattr(module, f"{split}_dataset")
        if dataset is not None:
            names = [module.class_names[label] for label in dataset.targets]
            paths = [Path(path).relative_to(module.path).as_posix() for path in dataset.paths]
            found[split] = dict(zip(paths, names, strict=True))
    return found


NESTED = {"train/cat": 4, "train/dog": 5, "val/cat": 2, "val/dog": 1, "test/cat": 1, "test/dog": 2}


def test_train_val_and_test_folders_are_the_splits(pictures, folder):
    module = folder(pictures("pets", NESTED))
    spec = module.data_spec()
    assert spec.class_names == ("cat", "dog")
    assert spec.split_sizes == {"train": 9, "val": 3, "test": 3}
    assert spec.class_counts == {"cat": 4, "dog": 5}
    assert spec.input_shape == (3, 16, 16)
    assert spec.source == str(module.path)
    for split, files in files_of(module).items():
        assert all(path.split("/")[:2] == [split, label] for path, label in files.items())


@pytest.mark.parametrize("names", [("training", "valid", "testing"), ("train", "validation", "test")])
def test_the_folders_may_have_their_other_names(names, pictures, folder):
    counts = {f"{name}/{label}": 2 for name in names for label in ("a", "b")}
    assert folder(pictures("set", counts)).data_spec().split_sizes == {"train": 4, "val": 4, "test": 4}


def test_what_has_no_folder_is_taken_from_training(pictures, folder):
    counts = {"train/a": 20, "train/b": 20, "test/a": 3, "test/b": 3}
    module = folder(pictures("set", counts), val_fraction=0.25, test_fraction=0.5)
    assert module.data_spec().split_sizes == {"train": 30, "val": 10, "test": 6}


def test_class_folders_alone_are_split_by_share(pictures, folder):
    module = folder(pictures("set", {"a": 20, "b": 10, "c": 10}), val_fraction=0.2, test_fraction=0.1)
    spec = module.data_spec()
    assert spec.class_names == ("a", "b", "c")
    assert spec.split_sizes == {"train": 28, "val": 8, "test": 4}
    assert spec.class_counts == {"a": 14, "b": 7, "c": 7}
    files = files_of(module)
    assert all(path.startswith(f"{label}/") for split in files.values() for path, label in split.items())
    everything = [path for split in files.values() for path in split]
    assert len(everything) == len(set(everything)) == 40


def test_the_same_seed_gives_the_same_split_and_another_does_not(pictures, folder):
    root = pictures("set", {"a": 20, "b": 20})
    first, again, other = folder(root), folder(root), folder(root, split_seed=1)
    assert files_of(first) == files_of(again)
    assert first.fingerprint() == again.fingerprint()
    assert files_of(first) != files_of(other)
    assert first.fingerprint() != other.fingerprint()


def test_images_in_folders_inside_a_class_belong_to_it(pictures, folder):
    module = folder(pictures("set", {"a/first": 3, "a/second": 3, "b": 6}), val_fraction=0, test_fraction=0)
    assert module.data_spec().class_counts == {"a": 6, "b": 6}


def test_other_files_and_hidden_ones_are_passed_over(pictures, folder):
    root = pictures("set", {"a": 3, "b": 3, ".cache": 3})
    (root / "a" / "notes.txt").write_text("not an image")
    (root / "a" / ".0.png").write_text("nor this")
    (root / "README.md").write_text("a set")
    assert sum(folder(root).data_spec().split_sizes.values()) == 6


def test_a_changed_image_changes_the_fingerprint(pictures, folder):
    root = pictures("set", {"a": 3, "b": 3})
    before = folder(root).fingerprint()
    Image.new("RGB", (12, 10), "black").save(root / "a" / "0.png")
    assert before.startswith("content:")
    assert folder(root).fingerprint() != before


def test_the_fingerprint_does_not_hang_on_where_the_folder_is(pictures, folder):
    root = pictures("set", {"a": 3, "b": 3})
    before = folder(root).fingerprint()
    assert folder(root.rename(root.with_name("moved"))).fingerprint() == before


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, [8, 24]), (3, 32)])
def test_channels_and_size_can_be_chosen(channels, size, pictures, folder):
    module = folder(pictures("set", {"a": 4, "b": 4}), channels=channels, image_size=size)
    shape = (channels, *(size if isinstance(size, list) else (size, size)))
    assert module.data_spec().input_shape == shape
    images, labels = next(iter(module.train_dataloader()))
    assert images.shape == (4, *shape)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64


def test_training_images_are_cropped_at_random_and_others_are_not(pictures, folder):
    torch.manual_seed(0)
    root = pictures("set", {"a": 4, "b": 4})
    for path in root.rglob("*.png"):
        Image.effect_noise((40, 30), 80).save(path)
    changing, still = folder(root, val_fraction=0.25), folder(root, augmentation="none")
    assert not torch.equal(changing.train_dataset[0][0], changing.train_dataset[0][0])
    assert torch.equal(changing.val_dataset[0][0], changing.val_dataset[0][0])
    assert torch.equal(still.train_dataset[0][0], still.train_dataset[0][0])


def test_only_training_images_that_are_decoded_anew_are_decoded_quickly(folder, tmp_path):
    from sklearn.datasets import load_sample_images

    for index, photo in enumerate(load_sample_images().images):
        for split in ("train", "val"):
            path = tmp_path / split / f"class{index}" / "photo.jpg"
            path.parent.mkdir(parents=True)
            Image.fromarray(photo).resize((64, 64)).save(path, quality=90)

    def images(split, **settings):
        module = folder(tmp_path, image_size=64, crop_pct=1.0, augmentation="none", **settings)
        return getattr(module, f"{split}_dataset").batch(torch.arange(2))[0]

    exact = images("train", cache="none", decode="exact")
    assert torch.equal(images("val", cache="none", decode="fast"), exact)
    assert torch.equal(images("train", cache="memory", decode="fast"), exact)
    fast = images("train", cache="none")
    assert 0 < (fast - exact).abs().mean() < 0.1


def test_an_image_is_checked_once_while_it_does_not_change(pictures, folder, tmp_path):
    root = pictures("set", {"a": 3, "b": 3})
    before = folder(root).fingerprint()
    (kept,) = (tmp_path / "cache" / "images").iterdir()
    path = root / "a" / "0.png"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(bytes(len(content)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert folder(root).fingerprint() == before
    kept.unlink()
    with pytest.raises(DataError, match=r"a/0\.png: it is no image"):
        folder(root)


def truncated_jpeg(root):
    path = root / "cat" / "0.jpg"
    Image.effect_noise((64, 64), 50).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:-500])


def text_named_png(root):
    (root / "cat" / "notes.png").write_text("this is no image")


def empty_file(root):
    (root / "dog" / "empty.jpg").write_bytes(b"")


def many_broken(root):
    for index in range(7):
        (root / "dog" / f"broken{index}.png").write_text("")


def empty_class(root):
    (root / "bird").mkdir()


def two_empty_classes(root):
    (root / "bird").mkdir()
    (root / "fish").mkdir()


def no_images(root):
    for path in root.rglob("*.png"):
        path.rename(path.with_suffix(".txt"))


def one_class(root):
    (root / "cat").rename(root.parent / "cat")


def no_class_folders(root):
    for path in list(root.rglob("*.png")):
        path.rename(root / f"{path.parent.name}{path.name}")
    for path in list(root.iterdir()):
        if path.is_dir():
            path.rmdir()


def other_classes_in_val(root):
    for name in ("train", "val"):
        (root / name).mkdir()
    for name in ("cat", "dog"):
        (root / name).rename(root / "train" / name)
    (root / "val" / "bird").mkdir()
    Image.new("RGB", (8, 8)).save(root / "val" / "bird" / "0.png")


def empty_val_folder(root):
    for name in ("train", "val/cat"):
        (root / name).mkdir(parents=True)
    for name in ("cat", "dog"):
        (root / name).rename(root / "train" / name)


def missing(root):
    root.rename(root.with_name("pats"))


def a_file(root):
    root.rename(root.with_name("elsewhere"))
    root.write_text("")


BAD = [
    (truncated_jpeg, ["An image of 13 in pets cannot be read:", "pets/cat/0.jpg: it is cut short", "Repair them"]),
    (text_named_png, ["An image of 13 in pets cannot be read:", "pets/cat/notes.png: it is no image"]),
    (empty_file, ["pets/dog/empty.jpg: it is no image"]),
    (many_broken, ["7 images of 19 in pets cannot be read:", "... and 2 more"]),
    (empty_class, ["The class folder pets/bird holds no image.", "Put images in, or remove the folder."]),
    (two_empty_classes, ["2 class folders pets/bird, pets/fish hold no image."]),
    (no_images, ["There is no image in pets.", "Image files end in .bmp", "dataset.path=FOLDER"]),
    (one_class, ["pets holds one class only: dog."]),
    (no_class_folders, ["pets holds 12 images and no class folders.", "pets/CLASS/"]),
    (
        other_classes_in_val,
        ["pets/val holds classes that training does not have: bird.", "Classes of training: cat, dog"],
    ),
    (empty_val_folder, ["There is no image in pets/val.", "Image files end in .bmp"]),
    (missing, ["There is no folder pets.", "Near it: pats"]),
    (a_file, ["pets is a file, not a folder."]),
]


@pytest.mark.some_of(5)
@pytest.mark.parametrize(("damage", "said"), BAD, ids=[damage.__name__ for damage, _ in BAD])
def test_bad_data_ends_in_one_message_and_nothing_is_written(damage, said, pictures, train, project):
    damage(pictures("pets", {"cat": 6, "dog": 6}))
    before = sorted(project.rglob("*"))
    done = train("--model", "resnet20", "--dataset", "image_folder", "dataset.path=pets", "dataset.image_size=16")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("error:") == 1
    for words in said:
        assert words in done.err
    assert "Traceback" not in done.err
    assert sorted(project.rglob("*")) == before


def test_a_quick_check_finds_what_begins_or_ends_wrongly(pictures, folder):
    root = pictures("pets", {"cat": 6, "dog": 6})
    truncated_jpeg(root)
    with pytest.raises(DataError, match=r"0\.jpg: it is cut short"):
        folder(root, verify="quick")


def test_a_quick_check_says_so_in_the_fingerprint(pictures, folder):
    assert folder(pictures("pets", {"cat": 6, "dog": 6}), verify="quick").fingerprint().startswith("listing:")


def test_a_folder_has_to_be_named(train):
    done = train("--model", "resnet20", "--dataset", "image_folder")
    assert done.code == 2
    assert "dataset.path: it has to be set" in done.err


@pytest.mark.parametrize(
    "setting", [{"channels": 2}, {"image_size": 0}, {"min_crop": 0}, {"crop_pct": 1.5}, {"mean": []}, {"verify": "no"}]
)
def test_settings_that_cannot_be_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        registry.create_dataset("image_folder", path="pets", **setting)


def test_a_network_learns_two_colours(pictures, train):
    pictures("pets", {"cat": 24, "dog": 24})
    done = train(
        *("--model", "resnet20", "--dataset", "image_folder", "dataset.path=pets", "dataset.image_size=16"),
        *("trainer.max_epochs=5", "dataset.batch_size=8", "optimizer.lr=0.001", "dataset.val_fraction=0.2"),
    )
    assert done.code == 0, done.err
    assert done.json["metrics"]["val/accuracy"] == 1


def test_loading_processes_give_the_same_images(pictures, folder):
    root = pictures("set", {"a": 6, "b": 6})
    alone = list(folder(root, num_workers=0).val_dataloader())
    together = list(folder(root, num_workers=1).val_dataloader())
    assert len(alone) == len(together)
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(alone, together, strict=True))


@pytest.mark.drawn
def test_a_training_does_not_depend_on_how_many_processes_load(pictures, fw, project):
    pictures("pets", {"cat": 16, "dog": 16})
    words = ("--model", "resnet20", "--dataset", "image_folder", "dataset.path=pets", "dataset.image_size=16")
    more = ("dataset.batch_size=8", "trainer.max_epochs=2", "trainer.accelerator=cpu", "mlops.tracking.backend=none")
    ends = []
    for workers in (0, 2):
        done = fw("train", *words, *more, f"dataset.num_workers={workers}", f"experiment.run_name=with{workers}")
        assert done.code == 0, done.err
        ends.append(
            load_file(project / "runs" / f"with{workers}" / "checkpoints" / "last.ckpt" / "weights.safetensors")
        )
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
