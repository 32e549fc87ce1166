"""The metric of a part of a test from the scores of its samples, and the quarters of a span of time."""

import math

import numpy as np
import pytest

from framework_core.contracts.scores import are_moments, moment
from framework_core.reports.scored import Scored, rest_of
from framework_core.reports.spans import quarters
from framework_core.reports.student import mean_of


def scored(values, weights=None, clusters=()):
    return Scored.of({"values": values} | ({} if weights is None else {"weights": weights}), clusters)


def test_samples_that_count_alike_have_students_interval():
    values = [0.5, 1.5, 4.0, 2.0, 0.25]
    found, count = Scored.difference([scored(values)], range(5))
    assert count == 5
    assert (found.mean, found.low, found.high) == pytest.approx(tuple(vars(mean_of(values)).values()))


def test_weighted_samples_come_to_the_ratio_of_sums():
    """F1 of three sentences: 2 of 4, 0 of 2, and nothing to find in the third."""
    f1 = scored([0.5, 0.0, None], [4.0, 2.0, 0.0])
    found, count = Scored.difference([f1], range(3))
    assert found.mean == pytest.approx(2 / 6)
    assert count == 2
    assert found.low < 2 / 6 < found.high


def test_an_interval_of_a_ratio_holds_it_as_often_as_it_says():
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        weights = draw.integers(1, 20, 80)
        values = draw.binomial(weights, 0.3) / weights
        found, _ = Scored.difference([scored(values.tolist(), weights.tolist())], range(80))
        held += found.low <= 0.3 <= found.high
    assert 0.92 < held / 300 < 0.98


def test_samples_that_depend_on_each_other_have_a_wider_interval():
    """Each value is there ten times: the same is known as of the ten that differ."""
    once = [0.1, 0.9, 0.3, 0.7, 0.2, 0.6]
    often = [value for value in once for _ in range(10)]
    clusters = [number for number in range(6) for _ in range(10)]
    (alone, _), (together, count) = (
        Scored.difference([each], range(each.count)) for each in (scored(once), scored(often, clusters=clusters))
    )
    assert count == 60
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    (one, _) = Scored.difference([scored(often, clusters=[0] * 60)], range(60))
    assert (one.low, one.high) == (-math.inf, math.inf)


def test_two_models_differ_sample_by_sample_whatever_each_weighs():
    first, second = scored([0.0, 1.0, 0.5], [1.0, 1.0, 2.0]), scored([1.0, 1.0, 0.5], [3.0, 1.0, 0.0])
    found, count = Scored.difference([first, second], range(3))
    assert found.mean == pytest.approx(1.0 - 0.5)
    assert count == 3
    worse, _ = Scored.difference([scored([1.0] * 30), scored([0.0] * 29 + [1.0])], range(30))
    assert worse.low == -1.0 < worse.mean < worse.high
    same, _ = Scored.difference([first, first], range(3))
    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)


def test_a_sample_without_a_value_takes_part_in_nothing():
    found, count = Scored.difference([scored([None, 2.0, 4.0])], range(3))
    assert (found.mean, count) == (3.0, 2)
    assert Scored.difference([scored([None, 2.0])], [0])[1] == 0


def test_other_parts_are_put_together():
    parts = [[scored([1.0, 0.0], [1.0, 3.0])], [scored([0.5], [4.0])]]
    assert rest_of(parts) == pytest.approx((1.0 + 2.0) / 8)
    assert math.isnan(rest_of([]))


def test_dates_and_steps_are_cut_into_quarters_of_their_span():
    days = ["2026-01-01", "2026-01-31T12:00:00", "", "2026-04-01", "2026-12-31"]
    assert quarters(days)[0] == [
        "2026-01-01 to 2026-04-02",
        "2026-01-01 to 2026-04-02",
        None,
        "2026-01-01 to 2026-04-02",
        "2026-10-01 to 2026-12-31",
    ]
    assert quarters(["2026-01-01 10:00", "2026-01-01 18:00"])[1][0] == "2026-01-01 10:00 to 2026-01-01 12:00"
    assert quarters([1900.0, 1950.0, 1999.0])[0] == ["1900 to 1925", "1950 to 1974", "1974 to 1999"]
    assert len({*quarters(["2026-01-01"] * 3)[0]}) == 1


@pytest.mark.parametrize(
    "text", ["2026-01-31", "2026-01-31 10:30", "2026-01-31T12:30:00+02:00", "2026-01-31T10:30:00Z"]
)
def test_dates_in_the_form_of_iso_are_moments(text):
    found = moment(text)
    assert (found.year, found.month, found.day) == (2026, 1, 31)
    assert found.tzinfo is None
    assert found.hour in (0, 10)
    assert are_moments([text, ""])


@pytest.mark.parametrize("text", ["", "20260131", "yesterday", "31.01.2026", "12"])
def test_other_texts_are_none(text):
    assert not are_moments([text, text])
