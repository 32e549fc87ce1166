"""Datasets of the Hugging Face hub, here as they lie on the disk: columns, labels, splits, and text to be continued."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_texts import made_texts

from framework_core import registry
from framework_core.errors import DataError

pytestmark = pytest.mark.drawn

datasets = pytest.importorskip("datasets")


def columns(count, **more):
    texts, labels = zip(*made_texts(count), strict=True)
    return {"sentence": list(texts), "kind": list(labels), **more}


@pytest.fixture
def saved(project) -> Path:
    """A dataset of two splits with classes, and a test split whose labels are kept secret, as GLUE has it."""
    kinds = datasets.Features(
        {"sentence": datasets.Value("string"), "kind": datasets.ClassLabel(names=["sport", "food", "sky"])}
    )
    parts = {"train": columns(60), "validation": columns(12), "test": columns(9, kind=[-1] * 9)}
    whole = {name: datasets.Dataset.from_dict(part, features=kinds) for name, part in parts.items()}
    datasets.DatasetDict(whole).save_to_disk("saved")
    return project / "saved"


def set_up(path, name="huggingface_texts", **settings):
    module = registry.create_dataset(name, path=str(path), **settings)
    module.prepare_data()
    module.setup("fit")
    return module


def test_classes_and_splits_are_found_and_a_secret_test_is_none(saved):
    spec = set_up(saved, test_size=0.1).data_spec()
    assert spec.class_names == ("food", "sky", "sport")
    assert spec.split_sizes == {"train": 54, "val": 12, "test": 6}
    with pytest.raises(DataError, match="test row 1 has no label"):
        set_up(saved, test_split="test")


def test_a_folder_of_parquet_files_trains_by_the_command_without_a_script(project, train):
    (project / "tables").mkdir()
    datasets.Dataset.from_dict(columns(60)).to_parquet(project / "tables" / "train.parquet")
    words = ("dataset.path=tables", "dataset.label_column=kind", "dataset.batch_size=8")
    done = train("--model", "fasttext", "--dataset", "huggingface_texts", *words)
    assert done.code == 0, done.err
    assert "42 train, 6 val, 12 test samples, 3 classes" in done.err


def test_documents_to_be_continued_are_rows(project):
    (project / "tables").mkdir()
    rows = [*columns(60)["sentence"], "", None]
    datasets.Dataset.from_dict({"text": rows}).to_parquet(project / "tables" / "train.parquet")
    module = set_up("tables", "huggingface_corpus", block_size=16)
    spec = module.data_spec()
    assert spec.facts["separator_id"] is not None
    assert int(module.train_dataset.ids.eq(spec.facts["separator_id"]).sum()) == pytest.approx(54, abs=1)
    assert set_up("tables", "huggingface_corpus", block_size=16, task="fill-mask").data_spec().task == "fill-mask"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"text_column": "sentense"},
            ["has no column 'sentense'", "Near it: sentence", "dataset.text_column=sentence"],
        ),
        ({"label_column": "labels"}, ["has no column 'labels'", "Its columns are sentence, kind"]),
        ({"val_split": "validaton"}, ["has no split 'validaton'", "dataset.val_split=validation"]),
    ],
)
def test_what_is_not_there_is_told_with_what_is(saved, settings, said):
    with pytest.raises(DataError) as refused:
        set_up(saved, **settings)
    for part in said:
        assert part in str(refused.value)


def test_an_id_that_is_none_is_one_message(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="The dataset nobody/nothing cannot be loaded"):
        set_up("nobody/nothing")
