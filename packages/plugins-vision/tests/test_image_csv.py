"""Images named in a table: classes, several classes, numbers; splits; and tables that are not right."""

from __future__ import annotations

import pyarrow
import pytest
import torch
from made_datasets import pictures_in, table
from pyarrow import parquet

from framework_core import registry
from framework_core.errors import ConfigError, DataError

pytestmark = pytest.mark.drawn


@pytest.fixture
def rows(project):
    """Twelve images and a row for each; another value for a cell with ``at`` and its column."""
    files = pictures_in(project / "files", 12)

    def made(at=None, **changed):
        found = [
            {
                "image": f"files/{name}",
                "label": f"class{label}",
                "red": int(label == 0),
                "round": label % 2,
                "tags": ";".join(["a", "b"][: label % 3]),
                "size": label * 1.5,
                "split": ("train", "train", "train", "val", "test", "train")[index % 6],
            }
            for index, (name, label) in enumerate(files)
        ]
        for column, value in changed.items():
            found[at][column] = value
        return found

    return made


@pytest.fixture
def csv_data(project, rows):
    """The datamodule of a table, set up."""

    def made(content=None, **settings):
        path = table(project / "photos.csv", rows() if content is None else content)
        small = {"image_size": 16, "batch_size": 4, "val_fraction": 0.25, "test_fraction": 0.25}
        module = registry.create_dataset("image_csv", path=str(path), **{**small, **settings})
        module.setup("fit")
        return module

    return made


def test_one_column_gives_a_class(csv_data):
    module = csv_data(val_fraction=0, test_fraction=0)
    spec = module.data_spec()
    assert spec.task == "image-classification"
    assert spec.class_names == ("class0", "class1", "class2")
    assert spec.class_counts == {"class0": 4, "class1": 4, "class2": 4}
    assert int(module.train_dataset[4][1]) == 1


def test_numbers_as_classes_are_in_their_order(csv_data, rows):
    content = [{**row, "label": ("2", "10", "1")[index % 3]} for index, row in enumerate(rows())]
    assert csv_data(content).class_names == ("1", "2", "10")


def test_several_columns_of_yes_and_no_are_several_classes(csv_data):
    module = csv_data(
        task="multi-label-classification", target_columns=["red", "round"], val_fraction=0, test_fraction=0
    )
    spec = module.data_spec()
    assert (spec.task, spec.class_names, spec.target_shape) == ("multi-label-classification", ("red", "round"), (2,))
    assert module.train_dataset.targets[:3].tolist() == [[1, 0], [0, 1], [0, 0]]


def test_a_column_of_several_words_is_several_classes(csv_data):
    module = csv_data(
        task="multi-label-classification", target_columns="tags", separator=";", val_fraction=0, test_fraction=0
    )
    assert module.class_names == ("a", "b")
    assert module.train_dataset.targets[:3].tolist() == [[0, 0], [1, 0], [1, 1]]


def test_columns_of_numbers_are_targets(csv_data):
    module = csv_data(task="regression", target_columns=["size", "round"], val_fraction=0, test_fraction=0)
    spec = module.data_spec()
    assert (spec.task, spec.target_names, spec.num_classes) == ("regression", ("size", "round"), 0)
    assert module.train_dataset.targets[1].tolist() == [1.5, 1]
    assert module.train_dataset.targets.dtype == torch.float32


def test_a_column_says_the_splits(csv_data):
    assert csv_data(split_column="split").data_spec().split_sizes == {"train": 8, "val": 2, "test": 2}


def test_other_tables_are_the_other_splits(csv_data, rows, project):
    table(project / "val.csv", rows()[:3])
    module = csv_data(val_path="val.csv", test_fraction=0)
    assert module.data_spec().split_sizes == {"train": 12, "val": 3}


@pytest.mark.parametrize("task", ["image-classification", "regression"])
def test_shares_and_a_seed_split(task, csv_data):
    columns = {"target_columns": "size"} if task == "regression" else {}
    first, again, other = (csv_data(task=task, split_seed=seed, **columns) for seed in (0, 0, 1))
    assert first.data_spec().split_sizes == {"train": 6, "val": 3, "test": 3}
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()


def test_a_changed_target_changes_the_fingerprint(csv_data, rows):
    settings = {"task": "regression", "target_columns": "size"}
    assert csv_data(**settings).fingerprint() != csv_data(rows(at=3, size=9), **settings).fingerprint()


def test_parquet_is_read_too(csv_data, rows, project):
    parquet.write_table(pyarrow.Table.from_pylist(rows()), project / "photos.parquet")
    module = registry.create_dataset("image_csv", path="photos.parquet", image_size=16)
    module.setup()
    assert module.class_names == ("class0", "class1", "class2")


def test_images_may_lie_elsewhere(csv_data, rows, project):
    content = [{**row, "image": row["image"].removeprefix("files/")} for row in rows()]
    assert csv_data(content, image_root=str(project / "files")).data_spec().split_sizes["train"] == 6


BAD = [
    ({"image": "files/none.jpg"}, {}, ["An image of 12 named in", "line 9: ", "files/none.jpg: there is no such file"]),
    ({"image": ""}, {}, ["photos.csv, line 9: image is empty."]),
    ({"label": ""}, {}, ["photos.csv, line 9: label is empty."]),
    ({}, {"image_column": "imgae"}, ["photos.csv has no column 'imgae'.", "Near it: image."]),
    ({}, {"target_columns": "kind"}, ["photos.csv has no column 'kind'.", "It has image, label, red"]),
    ({}, {"split_column": "splits"}, ["no column 'splits'", "Near it: split."]),
    ({"split": "later"}, {"split_column": "split"}, ["line 9: split is 'later'.", "A split is one of train"]),
    (
        {"label": "new", "split": "val"},
        {"split_column": "split"},
        ["line 9: label is 'new', a class that training does not have.", "Classes of training: class0"],
    ),
    (
        {"size": "wide"},
        {"task": "regression", "target_columns": "size"},
        ["line 9: size is 'wide'.", "A target of regression is a finite number."],
    ),
    ({"size": "nan"}, {"task": "regression", "target_columns": "size"}, ["line 9: size is 'nan'."]),
    (
        {"red": 2},
        {"task": "multi-label-classification", "target_columns": ["red", "round"]},
        ["line 9: red is '2'.", "says 1 or 0"],
    ),
    ({}, {"delimiter": ";"}, ["line 4 has 2 columns, and the first line 1.", "dataset.delimiter"]),
]


@pytest.mark.parametrize(("changed", "settings", "said"), BAD)
def test_what_is_wrong_with_a_table_is_told_with_its_line(changed, settings, said, csv_data, rows):
    with pytest.raises(DataError) as caught:
        csv_data(rows(at=7, **changed), **settings)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("image,label\na.jpg,1,2\n", r"line 2 has 3 columns, and the first line 2\."),
        ("image,label\n", "has no rows"),
        ('image,label\n"a.jpg,1\n', "is no CSV file"),
        (b"image,label\n\xff\xfe,1\n", "is not text in UTF-8"),
        ("image,label\na.jpg,1\nb.jpg,1\n", "The training rows have one class only: 1"),
    ],
)
def test_a_file_that_is_no_table_is_told(content, said, project):
    path = project / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=said):
        registry.create_dataset("image_csv", path=str(path)).setup()


def test_a_table_that_is_not_there_is_told_with_one_that_is(rows, project):
    table(project / "photos.csv", rows())
    with pytest.raises(DataError, match=r"There is no file photo\.csv") as caught:
        registry.create_dataset("image_csv", path="photo.csv").setup()
    assert "Near it: photos.csv" in caught.value.possible


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"split_column": "split", "val_path": "b.csv"}, "two ways to split"),
        ({"separator": ";"}, "separator has a meaning with task=multi-label-classification only"),
        ({"target_columns": ["a", "b"]}, "several target_columns need"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        registry.create_dataset("image_csv", path="a.csv", **settings)


def test_an_error_in_a_table_is_one_message_of_the_command(rows, project, train):
    table(project / "photos.csv", rows(at=2, label=""))
    done = train("--model", "resnet20", "--dataset", "image_csv", "dataset.path=photos.csv", "dataset.image_size=16")
    assert (done.code, done.out, done.err.count("error:"), "Traceback" in done.err) == (2, "", 1, False)


def test_other_columns_with_a_few_values_say_what_images_belong_to(csv_data):
    module = csv_data(split_column="split", target_columns="label")
    assert sorted(module.groups["train"]) == ["red", "round", "size", "tags"]
    assert len(module.groups["train"]["red"]) == len(module.train_dataset) == 8
