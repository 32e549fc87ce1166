"""Sounds as the library of Hugging Face saves them."""

from __future__ import annotations

import pytest
from made_sounds import huggingface_audio

from framework_core import registry
from framework_core.errors import DataError

datasets = pytest.importorskip("datasets")


def module(path, **settings):
    found = registry.create_dataset("huggingface_audio", path=str(path), **settings)
    found.prepare_data()
    found.setup()
    return found


@pytest.fixture
def saved(project):
    return huggingface_audio(project / "data")["path"]


def test_columns_splits_classes_and_speakers_are_found(saved):
    found = module(saved, val_fraction=0.25)
    spec = found.data_spec()
    assert spec.class_names == ("low", "middle", "high")
    assert spec.split_sizes == {"train": 18, "val": 6, "test": 6}
    assert set(found.groups["test"]["speaker_id"]) == {"0", "1", "2", "3"}
    assert spec.source == saved


def test_a_row_that_cannot_be_read_is_told_by_its_number(saved, caplog):
    whole = datasets.load_from_disk(saved)
    table = whole["train"].data.table.to_pydict()
    table["audio"][4]["bytes"] = b"no sound"
    import pyarrow

    broken = pyarrow.table(table, schema=whole["train"].features.arrow_schema)
    datasets.DatasetDict({"train": datasets.Dataset(broken), "test": whole["test"]}).save_to_disk("broken")
    with pytest.raises(DataError, match="broken, train row 5: it is no sound file of a known format"):
        module("broken")
    assert module("broken", on_error="skip", val_fraction=0).data_spec().facts["unreadable"] == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"audio_column": "sound"}, "has no column 'sound'"),
        ({"val_split": "dev"}, "has no split 'dev'"),
        ({"label_column": "lable"}, "has no column 'lable'"),
    ],
)
def test_what_is_not_there_is_told(settings, said, saved):
    with pytest.raises(DataError, match=said):
        module(saved, **settings)


def test_a_folder_without_data_is_told(project):
    (project / "empty").mkdir()
    with pytest.raises(DataError, match="The dataset empty cannot be loaded"):
        module("empty")
