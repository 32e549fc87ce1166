"""How far columns have moved: by known numbers, and against chance."""

import math

import numpy as np
import pytest

from framework_core.reports.embeddings import frechet
from framework_core.reports.shift import shift_of

RANDOM = np.random.default_rng(0)


def test_numbers_that_lie_apart_have_the_distance_of_their_distribution_functions():
    found = shift_of("features", "x", [float(each) for each in range(100)], [each + 25.0 for each in range(100)])
    assert (found.test, found.statistic) == ("KS", pytest.approx(0.25))
    assert 0.001 < found.p_value < 0.01


def test_classes_are_tested_by_chi_square():
    before, now = ["a"] * 50 + ["b"] * 30 + ["c"] * 20, ["a"] * 20 + ["b"] * 30 + ["c"] * 50
    found = shift_of("predictions", "label", before, now)
    # Of each 70, 60 and 70 half is expected: 2 * 15 ** 2 / 35 for the first and the last.
    assert found.statistic == pytest.approx(4 * 15**2 / 35)
    assert found.p_value == pytest.approx(math.exp(-found.statistic / 2))
    assert found.exceeds(0.2)


def test_the_index_of_known_shares_is_the_sum_of_its_definition():
    before, now = ["a"] * 5000 + ["b"] * 5000, ["a"] * 7000 + ["b"] * 3000
    expected = 0.2 * math.log(7 / 5) + 0.2 * math.log(5 / 3)
    assert shift_of("predictions", "label", before, now).psi == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("size", [30, 60, 200, 2000])
def test_chance_alone_is_seldom_taken_for_drift(size):
    found = [
        shift_of("features", "x", RANDOM.normal(size=size).tolist(), RANDOM.normal(size=size).tolist())
        for _ in range(200)
    ]
    assert sum(each.exceeds(0.0) for each in found) <= 8


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (RANDOM.normal(size=200), RANDOM.normal(1.5, size=200)),
        (np.zeros(60), np.full(60, 0.1)),
        (RANDOM.integers(0, 3, 90), RANDOM.integers(1, 6, 90)),
    ],
)
def test_what_has_moved_is_found_where_values_are_many_few_or_one(before, now):
    assert shift_of("features", "x", before.tolist(), now.tolist()).exceeds(0.2)


def test_what_never_changes_has_not_moved():
    found = shift_of("features", "x", [3.0] * 50, [3.0] * 40)
    assert found.psi == pytest.approx(0.0)
    assert not found.exceeds(0.0)


def test_values_that_are_missing_are_a_shift_of_their_own():
    values = RANDOM.normal(size=100).tolist()
    found = shift_of("features", "x", values, [*values[:60], *[None] * 40])
    assert found.bins[-1] == "missing"
    assert found.exceeds(0.2)


def test_the_distance_of_embeddings_is_that_of_the_normal_distributions():
    one = RANDOM.normal(size=(20_000, 3)) * [1.0, 2.0, 3.0]
    other = RANDOM.normal(size=(20_000, 3)) * [2.0, 2.0, 2.0] + [0.0, 3.0, 0.0]
    assert frechet(one, other) == pytest.approx(1 + 9 + 1, rel=0.05)
