"""Holm's correction and paired tests against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from monai_samadapt.compare.significance import PairedTest, holm, paired_tests

NAN = math.nan


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and no smaller than the one before
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([0.03, NAN, 0.01], [0.03, NAN, 0.02]),  # what was not tested does not count
        ([], []),
    ],
)
def test_holm(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected, nan_ok=True)


def by_subject(*values: float) -> dict[str, float]:
    return {f"s{index}": value for index, value in enumerate(values)}


def test_all_differences_of_one_sign_give_the_smallest_p() -> None:
    (test,) = paired_tests({"a": by_subject(0.7, 0.6, 0.5, 0.9, 0.8, 0.4), "b": by_subject(*[0.3] * 6)})
    assert (test.first, test.second, test.n) == ("a", "b", 6)
    assert test.p == pytest.approx(2 / 2**6)
    assert test.difference == pytest.approx(0.35)  # of .1 .2 .3 .4 .5 .6


def test_exact_p_by_counting_sign_patterns() -> None:
    # ranks 1 2 3 of one sign, 4 of the other; sums of at most 4: {} 1 2 3 4 1+2 1+3, seven of sixteen patterns
    (test,) = paired_tests({"a": by_subject(0.1, 0.2, 0.3, 0.0), "b": by_subject(0.0, 0.0, 0.0, 0.4)})
    assert test.p == pytest.approx(2 * 7 / 16)


def test_pairs_are_those_of_both_and_corrected_together() -> None:
    a, b = by_subject(*[0.9, 0.8, 0.7, 0.6, 0.55, 0.5, NAN]), by_subject(*[0.1, 0.05, 0.0, 0.2, 0.1, 0.3, 0.2])
    tests = paired_tests({"a": a, "b": b, "c": {**a, "other": 1.0}})
    assert [(test.first, test.second, test.n) for test in tests] == [("a", "b", 6), ("a", "c", 6), ("b", "c", 6)]
    assert tests[1] == PairedTest("a", "c", 6, 0.0, 1.0, 1.0)  # no difference at all
    assert [test.p_holm for test in tests] == pytest.approx([3 * 2 / 64, 1.0, 3 * 2 / 64])


def test_nothing_in_common() -> None:
    (test,) = paired_tests({"a": {"s0": 1.0}, "b": {"s1": 1.0}})
    assert (test.n, math.isnan(test.p), math.isnan(test.p_holm)) == (0, True, True)
