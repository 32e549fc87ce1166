"""Each way in which a table can be wrong has a message that says where, what is possible and what to type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from framework_core import registry
from framework_core.errors import ConfigError, DataError

DAYS = [str(day.date()) for day in pd.date_range("2024-01-01", periods=120, freq="D")]


def lines(*, head="ds,y", days=DAYS, values=None, change=None):
    """A table of days as text; ``change`` replaces lines by their number in the file."""
    values = [f"{index % 7 + index / 100:.2f}" for index in range(len(days))] if values is None else values
    text = [head, *(f"{day},{value}" for day, value in zip(days, values, strict=True))]
    for number, line in (change or {}).items():
        text[number - 1] = line
    return "\n".join(line for line in text if line is not None) + "\n"


def set_up(text: str, name: str = "sales.csv", **given):
    Path(name).write_text(text, encoding="utf-8")
    module = registry.create_dataset("series_table", path=name, **{"look_back": 14, "horizon": 7, **given})
    module.setup("fit")
    return module


BAD = {
    "an empty file": ("", {}, ["sales.csv is empty.", "names the columns"]),
    "only a header": ("ds,y\n", {}, ["sales.csv has no rows."]),
    "no header": (lines(head=None), {}, ["has no header: its first line is '2024-01-01,0.00'", "sed -i '1i ds,y'"]),
    "descending": (lines(days=DAYS[::-1]), {}, ["The stamps descend: sales.csv, 2024-04-28", "dataset.sort=true"]),
    "not in order": (
        lines(change={5: "2024-01-09,1.0"}),
        {},
        ["The stamps are not in order: sales.csv, 2024-01-05 stands after 2024-01-09.", "dataset.sort=true"],
    ),
    "twice": (lines(change={5: "2024-01-03,1.0"}), {}, ["A stamp is there twice: sales.csv, 2024-01-03.", "id_column"]),
    "missing stamps": (
        lines(change={5: None, 9: None}),
        {},
        ["2 stamps are missing, the first is 2024-01-04 (steps are of frequency 'D')", "dataset.irregular=fill"],
    ),
    "irregular": (
        lines(change={50: "2024-02-18 07:30,1"}),
        {},
        ["Stamps are irregular", "2024-02-18 07:30:00 is not", "dataset.irregular=ignore"],
    ),
    "no date": (lines(change={5: "soon,1.0"}), {}, ["sales.csv, line 5: ds is 'soon', which is no date."]),
    "text in a number": (
        lines(change={5: "2024-01-04,many"}),
        {},
        ["sales.csv, line 5: y is 'many', which is no number.", "empty where it is missing"],
    ),
    "a decimal comma": (
        lines(change={5: '2024-01-04,"3,5"'}),
        {},
        ["line 5: y is '3,5', which is no number.", "a comma for its point", "dataset.decimal=','"],
    ),
    "semicolons": (
        lines().replace(",", ";"),
        {},
        ["The first line of sales.csv is one column: 'ds;y'.", "dataset.delimiter=';'"],
    ),
    "ragged": (lines(change={5: "2024-01-04,1,2"}), {}, ["sales.csv, line 5 has 3 columns, and the first line 2."]),
    "cut short": (lines(change={7: "2024-01-06"}), {}, ["sales.csv, line 7 has 1 columns, and the first line 2."]),
    "a gap": (
        lines(change={5: "2024-01-04,", 6: "2024-01-05,nan"}),
        {},
        ["2 values are missing, the first of y: sales.csv, 2024-01-04.", "dataset.missing=forward"],
    ),
    "a column of gaps": (lines(values=[""] * 120), {}, ["The column y of sales.csv has no value at all."]),
    "infinite": (
        lines(change={5: "2024-01-04,inf"}),
        {"missing": "forward"},
        ["sales.csv, 2024-01-04: y is infinite."],
    ),
    "too short": (
        lines(days=DAYS[:20]),
        {},
        ["sales.csv has 20 steps, and a window has 21: a look-back of 14 and a horizon of 7.", "dataset.look_back=N"],
    ),
    "too little training": (
        lines(days=DAYS[:30]),
        {"val_size": 7, "test_size": 7},
        ["sales.csv has 16 training steps, and a window has 21", "take the other 14"],
    ),
    "too little validation": (
        lines(),
        {"val_size": 3},
        ["sales.csv has 3 steps in its val split, fewer than the horizon of 7.", "dataset.val_size=7"],
    ),
    "no such column": (lines(), {"targets": ("z",)}, ["sales.csv has no column 'z'.", "Near it: y."]),
    "no stamps": (lines(head="a,b"), {}, ["has no column of stamps: its columns are a, b.", "dataset.time_column"]),
    "a name twice": (lines(head="ds,ds"), {}, ["sales.csv has two columns 'ds'."]),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_table_is_refused_with_the_place_and_a_way_out(what):
    text, given, said = BAD[what]
    with pytest.raises(DataError) as refused:
        set_up(text, **given)
    for part in said:
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "value"), [("horizon", 0), ("look_back", 0), ("val_size", 1.5), ("calendar", "moon")]
)
def test_settings_that_cannot_be_are_refused(setting, value):
    with pytest.raises(ConfigError, match=setting):
        registry.create_dataset("series_table", path="sales.csv", **{setting: value})


def test_splits_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(ConfigError, match="leave nothing to train on"):
        registry.create_dataset("series_table", path="sales.csv", val_size=0.5, test_size=0.5)


def test_a_file_that_is_not_there_is_told_with_what_is_near():
    Path("sales.csv").write_text(lines())
    module = registry.create_dataset("series_table", path="sale.csv")
    with pytest.raises(DataError, match=r"Near it: sales\.csv"):
        module.setup("fit")


def test_a_column_that_never_changes_is_remarked(caplog):
    module = set_up(lines(values=["5"] * 120))
    assert "y never changes in training" in caplog.text
    assert float(module.train_dataset[0][0].abs().sum()) == 0


def test_a_calendar_needs_dates():
    text = "ds,y\n" + "".join(f"{index},{index % 5}\n" for index in range(120))
    with pytest.raises(ConfigError, match="needs stamps that are dates"):
        set_up(text, calendar=("hour",))


def test_short_series_are_skipped_where_that_is_asked_for(long, caplog):
    path = long(lengths=(100, 15, 90))
    with pytest.raises(DataError, match="The series 'shop 1' has 15 steps"):
        registry.create_dataset("series_table", path=str(path), look_back=14, horizon=7).setup("fit")
    module = registry.create_dataset("series_table", path=str(path), look_back=14, horizon=7, short_series="skip")
    module.setup("fit")
    assert module.data_spec().facts["series"] == ["shop 0", "shop 2"]
    assert "1 of 3 series are too short and left out" in caplog.text


@pytest.mark.parametrize(("policy", "expected"), [("forward", 3.0), ("interpolate", 4.0), ("zero", 0.0)])
def test_a_gap_is_filled_by_the_policy(policy, expected):
    values = [str(index) for index in range(120)]
    values[4] = ""
    module = set_up(lines(values=values), missing=policy, scaler="none")
    assert float(module.train_dataset.table[4, 0]) == expected


def test_missing_stamps_are_filled_and_order_is_made():
    text = lines(change={5: None, 9: None}).splitlines()
    shuffled = [text[0], *np.random.default_rng(0).permutation(text[1:])]
    module = set_up("\n".join(shuffled), sort=True, irregular="fill", missing="forward", scaler="none")
    whole = set_up(lines(), scaler="none").train_dataset.table
    found = module.train_dataset.table
    assert len(found) == 120
    assert float(found[3, 0]) == float(whole[2, 0])
    assert float(found[100, 0]) == float(whole[100, 0])


def test_a_comma_for_the_point_is_read_where_it_is_said():
    text = lines().replace(",", ";").replace(".", ",")
    assert float(set_up(text, delimiter=";", decimal=",", scaler="none").train_dataset.table[1, 0]) == pytest.approx(
        1.01
    )


def test_parquet_is_read_as_csv_is(wide):
    path = wide()
    pd.read_csv(path, parse_dates=["date"]).to_parquet("wide.parquet")
    first = set_up(path.read_text(), name="again.csv")
    second = registry.create_dataset("series_table", path="wide.parquet", look_back=14, horizon=7)
    second.setup("fit")
    assert first.data_spec().fingerprint == second.data_spec().fingerprint
