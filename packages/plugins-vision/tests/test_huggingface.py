"""Datasets of the Hugging Face hub, here as they are saved on the disk: columns, classes, splits."""

from __future__ import annotations

import pytest
from made_datasets import encoded, huggingface, picture, pictures_in

from framework_core import registry
from framework_core.errors import DataError

datasets = pytest.importorskip("datasets")


def module(path, **settings):
    found = registry.create_dataset("huggingface", path=str(path), image_size=16, batch_size=4, **settings)
    found.prepare_data()
    found.setup()
    return found


@pytest.fixture
def saved(project):
    huggingface(project)
    return project / "saved"


def test_columns_classes_and_splits_are_found(saved):
    spec = module(saved, val_fraction=0.25).data_spec()
    assert spec.class_names == ("red", "green", "blue")
    assert spec.split_sizes == {"train": 18, "val": 6, "test": 6}
    assert spec.class_counts == {"red": 6, "green": 6, "blue": 6}


def test_a_folder_of_parquet_files_is_read_without_a_script(project):
    folder = project / "tables"
    folder.mkdir()
    rows = {"picture": [{"bytes": encoded(picture(n, n % 2)), "path": None} for n in range(12)]}
    rows["kind"] = ["cat", "dog"] * 6
    features = datasets.Features({"picture": datasets.Image(), "kind": datasets.Value("string")})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")
    found = module(folder, label_column="kind")
    assert found.class_names == ("cat", "dog")
    assert sum(found.data_spec().split_sizes.values()) == 12


def test_a_folder_of_class_folders_is_read(project):
    for name, label in pictures_in(project / "all"):
        place = project / "set" / "train" / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        (project / "all" / name).rename(place / name)
    assert module(project / "set").class_names == ("class0", "class1", "class2")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image_column": "imag"}, "has no column 'imag'"),
        ({"label_column": "lable"}, "has no column 'lable'"),
        ({"val_split": "valid"}, "has no split 'valid'"),
        ({"train_split": "training"}, "has no split 'training'"),
    ],
)
def test_what_it_does_not_have_is_told_with_what_it_has(settings, said, saved):
    with pytest.raises(DataError, match=said):
        module(saved, **settings)


def test_a_class_that_training_does_not_have_is_told_with_its_row(project):
    def split(labels):
        images = [picture(number, 0) for number in range(len(labels))]
        return datasets.Dataset.from_dict({"image": images, "label": labels}).cast_column("image", datasets.Image())

    whole = {"train": split(["a", "b"] * 4), "validation": split(["a", "c"])}
    datasets.DatasetDict(whole).save_to_disk(str(project / "saved"))
    with pytest.raises(DataError, match="val row 1: label is 'c', which is no class of training"):
        module(project / "saved")


def test_a_folder_or_an_id_that_is_none_is_one_message(project, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"The dataset nobody/nothing cannot be loaded"):
        module("nobody/nothing")


def test_it_trains_by_name(saved, train):
    words = ("--model", "resnet20", "--dataset", "huggingface", f"dataset.path={saved}", "dataset.image_size=16")
    done = train(*words, "trainer.max_epochs=1", "dataset.batch_size=8")
    assert done.code == 0, done.err
    assert "18 train" in done.err or "21 train" in done.err
