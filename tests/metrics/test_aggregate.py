"""Means that count missed structures, rows from several processes, short case names."""

from __future__ import annotations

import math

import pytest

from monai_samadapt.metrics import mean_over_labels
from monai_samadapt.metrics.aggregate import by_prompts, case_names, merge_ranks


def rows(**dice_by_label: list[float]) -> list[dict]:
    return [{"label": label, "dice": dice} for label, values in dice_by_label.items() for dice in values]


def test_the_mean_over_labels_of_the_mean_over_cases():
    # Liver (0.9 + 0 + 0.6) / 3 = 0.5, Tumor 0.8 in one case, empty in the other: (0.5 + 0.8) / 2
    assert mean_over_labels(rows(Liver=[0.9, 0.0, 0.6], Tumor=[0.8, math.nan])) == pytest.approx(0.65)


def test_a_missed_organ_lowers_the_mean_and_an_empty_one_does_not():
    found = mean_over_labels(rows(Liver=[0.9, 0.8]))
    assert mean_over_labels(rows(Liver=[0.9, 0.0])) < found
    assert mean_over_labels(rows(Liver=[0.9, 0.8, math.nan])) == found


def test_nothing_to_average_is_nan_and_not_zero():
    assert math.isnan(mean_over_labels(rows(Liver=[math.nan, math.nan])))
    assert math.isnan(mean_over_labels([]))


def test_a_case_repeated_to_fill_up_a_rank_counts_once():
    one = {"prompts": "none"}
    first = [{"file": "a", "dice": 1.0} | one, {"file": "a", "dice": 0.5} | one, {"file": "b", "dice": 0.2} | one]
    second = [{"file": "c", "dice": 0.3} | one, {"file": "a", "dice": 1.0} | one, {"file": "a", "prompts": "box"}]
    merged = [(row["file"], row["prompts"]) for row in merge_ranks([first, second, []])]
    assert merged == [("a", "none"), ("a", "none"), ("b", "none"), ("c", "none"), ("a", "box")]


def test_rows_are_divided_by_prompts_in_order_of_appearance():
    parts = by_prompts([{"prompts": name, "place": place} for place, name in enumerate(("none", "box", "none"))])
    assert {name: [row["place"] for row in part] for name, part in parts.items()} == {"none": [0, 2], "box": [1]}
    assert list(parts) == ["none", "box"]


def test_case_names_are_as_short_as_they_can_be():
    assert case_names(["/x/a.png", "/y/b.png"]) == {"/x/a.png": "a.png", "/y/b.png": "b.png"}
    names = case_names(["/x/s1/image.nii.gz", "/x/s2/image.nii.gz"])
    assert names == {"/x/s1/image.nii.gz": "s1/image.nii.gz", "/x/s2/image.nii.gz": "s2/image.nii.gz"}
    assert case_names([]) == {}
