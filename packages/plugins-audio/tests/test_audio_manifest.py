"""Tables of sounds: what stands in them, how they are split, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest
import torch
from made_sounds import folder, table, tone, write
from pyarrow import parquet

from framework_core import registry
from framework_core.errors import DataError

pytestmark = pytest.mark.drawn


@pytest.fixture
def rows(project):
    """A row for each of 24 sounds: path, class, speaker, fold."""
    return [
        {"path": f"files/{name}", "label": f"class{label}", "speaker": f"s{number % 4}", "fold": number // 3 % 3 + 1}
        for number, (name, label) in enumerate(folder(project / "files"))
    ]


def module(path, **settings):
    found = registry.create_dataset("audio_manifest", path=str(path), **settings)
    found.setup()
    return found


def test_tables_of_every_kind_say_the_same(rows, project):
    Path("all.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), "all.parquet")
    kinds = [table(project / "all.csv", rows), table(project / "all.tsv", rows, delimiter="\t")]
    found = [module(path) for path in (*kinds, "all.jsonl", "all.parquet")]
    assert {each.fingerprint() for each in found} == {found[0].fingerprint()}
    assert found[0].data_spec().class_names == ("class0", "class1", "class2")
    assert sorted(found[0].groups["train"]) == ["clip", "fold", "speaker"]


def test_a_split_column_says_which_sounds_go_where(rows, project):
    for number, row in enumerate(rows):
        row["Split"] = ("train", "validation", "test")[max(0, number - 21)]
    assert module(table(project / "all.csv", rows)).data_spec().split_sizes == {"train": 22, "val": 1, "test": 1}
    rows[3]["Split"] = "somewhere"
    with pytest.raises(DataError, match=r"all\.csv, line 5: Split is 'somewhere'"):
        module(table(project / "all.csv", rows))


def test_folds_are_never_mixed(rows, project):
    found = module(table(project / "all.csv", rows), fold="3")
    assert {split: set(groups["fold"]) for split, groups in found.groups.items()} == {
        "train": {"2"},
        "val": {"1"},
        "test": {"3"},
    }
    assert module("all.csv", fold="3", val_fold="").data_spec().split_sizes == {"train": 18, "test": 6}
    with pytest.raises(DataError, match="There is no fold 7") as refused:
        module("all.csv", fold="7")
    assert refused.value.possible == "Its folds are 1, 2, 3."


def test_what_is_kept_together_is_in_one_split(rows, project):
    found = module(table(project / "all.csv", rows), keep_together="speaker", val_fraction=0.25, test_fraction=0.25)
    speakers = [set(found.groups[split]["speaker"]) for split in ("train", "val", "test")]
    assert [len(each) for each in speakers] == [2, 1, 1]
    assert set.union(*speakers) == {"s0", "s1", "s2", "s3"}


def test_tags_stand_in_one_column_or_in_one_each(rows, project):
    for number, row in enumerate(rows):
        row["label"] = "low;round" if number % 2 else "low"
        row |= {"low": 1, "round": number % 2}
    path = table(project / "all.csv", rows)
    together = module(path, task="audio-tagging", separator=";")
    apart = module(path, task="audio-tagging", target_columns=("low", "round"))
    assert together.class_names == apart.class_names == ("low", "round")
    assert torch.equal(together.train_dataset.targets, apart.train_dataset.targets)
    assert apart.train_dataset.targets[:, 0].all()


def test_numbers_are_learned_in_the_order_of_their_columns(rows, project):
    for number, row in enumerate(rows):
        row |= {"pitch": number / 2, "age": -number}
    found = module(table(project / "all.csv", rows), task="audio-regression", target_columns=("age", "pitch"))
    spec = found.data_spec()
    assert spec.target_names == ("age", "pitch")
    assert spec.target_shape == (2,)
    rows[4]["age"] = "old"
    with pytest.raises(DataError, match=r"line 6: age is 'old'"):
        module(table(project / "all.csv", rows), task="audio-regression", target_columns=("age", "pitch"))


def test_parts_of_one_file_are_sounds_of_their_own(project):
    long = tone(300, 8_000, 3.0)
    write(project / "long.wav", long, 8_000, subtype="FLOAT")
    rows = [
        {"file": "long.wav", "onset": 0.5 * number, "offset": 0.5 * number + 0.25, "class": number % 2}
        for number in range(6)
    ]
    found = module(table(project / "all.csv", rows), val_fraction=0, test_fraction=0)
    assert found.data_spec().input_shape == (1, 2_000)
    torch.testing.assert_close(found.train_dataset[3][0][0], torch.from_numpy(long[12_000:14_000, 0]))
    assert len(set(found.groups["train"]["clip"])) == 6
    rows[2]["onset"], rows[2]["offset"] = 3.5, 4.0
    with pytest.raises(
        DataError, match=r"line 4: .*long\.wav is 3\.000 s long: nothing of it lies between 3\.5 s and 4 s"
    ):
        module(table(project / "all.csv", rows))


def test_a_trained_model_is_measured_on_another_table(rows, project, train, fw):
    table(project / "all.csv", rows)
    done = train(
        *("--model", "m5", "model.width=8", "--dataset", "audio_manifest", "dataset.path=all.csv"),
        *("dataset.seconds=0.15", "experiment.run_name=three"),
    )
    assert done.code == 0, done.err
    for row in rows:
        row["label"] = {"class0": "class2"}.get(row["label"], row["label"])
    table(project / "other.csv", [row for row in rows if row["label"] == "class2"])
    measured = fw("evaluate", "three", "dataset.path=other.csv", "dataset.seconds=0.1", "--json")
    assert measured.code == 0, measured.err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: [row.pop("path") for row in rows], "Which column of .*all.csv has the paths of the sounds?"),
        (lambda rows: [row.pop("label") for row in rows], "Which column of .*all.csv has the targets?"),
        (lambda rows: rows[5].update(label=""), "line 7: label is empty"),
        (lambda rows: rows[5].update(path=""), "line 7: path is empty"),
    ],
)
def test_what_is_missing_in_a_table_is_told_by_its_line_or_column(spoil, said, rows, project):
    spoil(rows)
    with pytest.raises(DataError, match=said):
        module(table(project / "all.csv", rows))


def test_a_class_that_training_lacks_is_told_by_its_line(rows, project):
    table(project / "all.csv", rows)
    rows[2]["label"] = "class9"
    table(project / "val.csv", rows[:4])
    with pytest.raises(DataError, match=r"val\.csv, line 4: label is 'class9', a class that training does not have"):
        module("all.csv", val_path="val.csv")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dataset.fold=1", "dataset.keep_together=speaker"), "fold and keep_together are ways to split"),
        (("dataset.val_fold=1",), "have an effect with fold only"),
        (("dataset.fold=1", "dataset.val_fold=1"), "fold and val_fold are the same"),
        (("dataset.separator=;",), "separator has a meaning with task=audio-tagging only"),
        (("dataset.target_columns=[a,b]",), "several target_columns need task=audio-tagging"),
    ],
)
def test_settings_that_exclude_each_other_are_told(words, said, fw):
    done = fw("train", "--model", "m5", "--dataset", "audio_manifest", "dataset.path=all.csv", *words)
    assert done.code == 2
    assert said in done.err
