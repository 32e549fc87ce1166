"""Files of the UCR and UEA archives: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from framework_core import registry
from framework_core.errors import DataError

HEAD = """# gestures of a hand
@problemName Gestures
@timeStamps false
@missing true
@univariate false
@dimensions 2
@equalLength false
@classLabel true left right
@data
"""


def sample(label, *, steps=12, channels=2, start=0):
    return (
        ":".join(",".join(str(start + step + 10 * c) for step in range(steps)) for c in range(channels)) + f":{label}"
    )


SAMPLES = [sample(label, start=start) for start in range(5) for label in ("left", "right")]


def write(name, lines, head=HEAD):
    Path(name).write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return name


def set_up(path, **given):
    module = registry.create_dataset("ucr", path=str(path), **given)
    module.setup("fit")
    return module


def test_the_test_file_of_a_problem_is_its_test():
    folder = Path("archive") / "Gestures"
    folder.mkdir(parents=True)
    write(folder / "Gestures_TRAIN.ts", SAMPLES)
    write(folder / "Gestures_TEST.ts", SAMPLES[:3])
    spec = set_up("archive", problem="Gestures", scaler="none").data_spec()
    assert spec.split_sizes == {"train": 8, "val": 2, "test": 3}
    assert spec.class_names == ("left", "right")
    assert spec.class_counts == {"left": 4, "right": 4}
    assert spec.input_shape == (2, 12)
    assert set_up(folder, scaler="none").data_spec().fingerprint == spec.fingerprint
    with pytest.raises(DataError, match=r"no problem 'Gesture' in archive\.\n.*Near it: Gestures"):
        set_up("archive", problem="Gesture")
    write(Path("archive") / "One_TRAIN.ts", SAMPLES)
    write(Path("archive") / "Two_TRAIN.ts", SAMPLES)
    with pytest.raises(DataError, match="archive holds 2 problems"):
        set_up("archive")


def test_a_single_file_is_split_by_class():
    module = set_up(write("all.ts", SAMPLES), val_size=0.2, test_size=0.4)
    assert module.data_spec().split_sizes == {"train": 4, "val": 2, "test": 4}
    for split in (module.train_dataset, module.val_dataset, module.test_dataset):
        assert len(set(split.tensors[1].tolist())) == 2


def test_the_older_tables_of_the_archive_are_read():
    rows = [f"{label}\t" + "\t".join(str(i * label) for i in range(6)) for label in (2, 1, 2, 1)]
    rows[0] = "2\t0\t2\t4\t6\tNaN\tNaN"
    Path("Shapes_TRAIN.tsv").write_text("\n".join(rows) + "\n")
    module = set_up("Shapes_TRAIN.tsv", unequal="pad", scaler="none", val_size=0, test_size=0)
    assert module.class_names == ("1", "2")
    values, labels = module.train_dataset.tensors
    assert labels.tolist() == [1, 0, 1, 0]
    assert values[0, 0].tolist() == [0, 2, 4, 6, 0, 0]
    Path("old_TRAIN.txt").write_text("  1.0000000e+00  1 2 3\n -1.0000000e+00  3 2 1\n")
    assert set_up("old_TRAIN.txt", val_size=0, test_size=0).class_names == ("-1", "1")


UNEQUAL = [sample("left", steps=8), sample("right", steps=12), sample("left", steps=10), sample("right", steps=8)]


@pytest.mark.parametrize(("policy", "length"), [("pad", 12), ("truncate", 8), ("resample", 12)])
def test_unequal_lengths_are_brought_to_one_by_a_stated_policy(policy, length):
    path = write("some.ts", UNEQUAL)
    module = set_up(path, unequal=policy, scaler="none", val_size=0, test_size=0)
    first = module.train_dataset.tensors[0][0, 0]
    assert first.shape == (length,)
    expected = {
        "pad": [*range(8), 0, 0, 0, 0],
        "truncate": list(range(8)),
        "resample": np.linspace(0, 7, 12).tolist(),
    }
    np.testing.assert_allclose(first, expected[policy], atol=1e-6)


def test_what_is_longer_than_the_training_series_is_cut_and_shorter_is_padded(project):
    write("Gestures_TRAIN.ts", UNEQUAL)
    write("Gestures_TEST.ts", [sample("left", steps=20), sample("right", steps=3)])
    module = set_up("Gestures_TRAIN.ts", unequal="pad", scaler="none", val_size=0)
    inputs = module.test_dataset.tensors[0]
    assert inputs[0, 0].tolist() == list(range(12))
    assert inputs[1, 1].tolist() == [10, 11, 12, *[0] * 9]


def test_missing_values_are_filled_by_a_stated_policy():
    gap = "1,?,3,NaN,5,6:1,1,1,1,1,1:left"
    path = write("gaps.ts", [gap, "0,1,2,3,4,5:1,1,1,1,1,2:right"])
    with pytest.raises(DataError, match=r"gaps\.ts, line 10: value 2 of channel 1 is missing; 1 of 2 samples"):
        set_up(path, val_size=0, test_size=0)
    for policy, expected in (("interpolate", [1, 2, 3, 4, 5, 6]), ("forward", [1, 1, 3, 3, 5, 6])):
        module = set_up(path, missing=policy, scaler="none", val_size=0, test_size=0)
        assert module.train_dataset.tensors[0][0, 0].tolist() == expected


@pytest.mark.parametrize("scaler", ["instance", "standard"])
def test_scales_are_of_each_series_or_of_the_training_series_alone(scaler):
    write("Gestures_TRAIN.ts", SAMPLES)
    write("Gestures_TEST.ts", [sample("left", start=1000)])
    module = set_up("Gestures_TRAIN.ts", scaler=scaler)
    train, test = module.train_dataset.tensors[0], module.test_dataset.tensors[0]
    assert train.mean(dim=(0, 2)).abs().max() < 1e-5
    if scaler == "instance":
        assert torch.allclose(test.mean(dim=2), torch.zeros(1, 2), atol=1e-5)
        assert torch.allclose(test.std(dim=2, unbiased=False), torch.ones(1, 2))
    else:
        assert test.min() > 100


BAD = {
    "nothing": ("", ["no line @data"]),
    "no samples": (HEAD, ["bad.ts has no samples"]),
    "values before @data": ("@problemName a\n1,2:left\n", ["bad.ts, line 2: a line of values stands before @data"]),
    "stamps": ("@timeStamps true\n@data\n", ["line 1: the values have stamps", "@timeStamps false"]),
    "numbers to predict": ("@targetlabel true\n@data\n", ["line 1: the targets are numbers"]),
    "text in a number": (
        HEAD + "1,2,x:1,2,3:left\n",
        ["bad.ts, line 10: value 3 of channel 1 is 'x', which is no number.", "channels of a sample with : between"],
    ),
    "an unknown class": (HEAD + "1,2:1,2:lefd\n", ["line 10: the class 'lefd' is none of those", "Near it: left."]),
    "channels of different lengths": (HEAD + "1,2:1,2,3:left\n", ["line 10: channels of different lengths: 2, 3"]),
    "a channel too few": (HEAD + "1,2:1,2:left\n1,2:right\n", ["line 11 has 1 channels, and the first sample 2"]),
    "no class": (HEAD + "1,2\n", ["line 10: a line without a class"]),
    "an infinite value": (HEAD + "1,2:1,inf:left\n1,2:1,2:right\n", ["line 10: value 2 of channel 2 is infinite"]),
    "an empty channel": (HEAD + "1,2:?,?:left\n1,2:1,2:right\n", ["line 10: channel 2 has no value at all"]),
    "different lengths": (
        HEAD + "1,2:1,2:left\n1,2,3:1,2,3:right\n",
        ["different lengths, 2 to 3 steps: bad.ts, line 11 has 3, the first 2.", "dataset.unequal=pad"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_its_line_and_a_way_out(case):
    text, said = BAD[case]
    Path("bad.ts").write_text(text)
    with pytest.raises(DataError) as refused:
        set_up("bad.ts", val_size=0, test_size=0)
    for words in said:
        assert words in str(refused.value)


def test_a_bad_table_is_refused_with_its_line():
    cases = {
        "1\t2\t3\n2\t3\n": "line 2 has 1 values, and the first line 2",
        "1\t2\t3\n?\t3\t4\n": "line 2 has no class",
        "1\t2\t3\n2\tb\t4\n": "line 2: value 1 of channel 1 is 'b', which is no number",
        "1\t2\t3\n2\tNaN\tNaN\n": "line 2 has no value",
        "1\t2\t3\n1\t2\t4\n": "has 1 class: 1",
    }
    for text, said in cases.items():
        Path("bad_TRAIN.tsv").write_text(text)
        with pytest.raises(DataError, match=said):
            set_up("bad_TRAIN.tsv", val_size=0, test_size=0)


def test_a_test_file_that_does_not_fit_is_refused():
    write("Gestures_TRAIN.ts", SAMPLES)
    write("Gestures_TEST.ts", ["1,2,3:up"], head="@classLabel true up\n@data\n")
    with pytest.raises(DataError, match=r"Gestures_TEST\.ts has 1 channels, and the model is trained on 2"):
        set_up("Gestures_TRAIN.ts")
    write("Gestures_TEST.ts", [sample("up")], head="@classLabel true up\n@data\n")
    with pytest.raises(DataError, match=r"line 3: the class 'up' is not in the training set"):
        set_up("Gestures_TRAIN.ts")
    write("Gestures_TEST.ts", [sample("left", steps=9)])
    with pytest.raises(DataError, match=r"line 10: a series of 9 steps; those that are trained on have 12"):
        set_up("Gestures_TRAIN.ts")
    with pytest.raises(DataError, match=r"no file or folder nowhere"):
        set_up("nowhere")
