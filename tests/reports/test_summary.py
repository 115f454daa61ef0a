"""Means, counts and bootstrap intervals, by hand and against scipy."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from monai_samadapt.metrics import METRIC_NAMES, mean_over_labels
from monai_samadapt.reports import format_table, summarise, write_summary
from monai_samadapt.reports.figures import summary_table

NAN = math.nan


def row(case: str, label: str, dice: float, state: str = "present", **values: float) -> dict:
    base = dict.fromkeys(METRIC_NAMES, dice) | {"case": case, "label": label, "state": state, "unit": "mm"}
    return base | {"dice": dice, "hd95": 10 * (1 - dice)} | values


ROWS = [
    row("a", "Liver", 0.9),
    row("a", "Tumor", NAN, "empty"),
    row("b", "Liver", 0.6),
    row("b", "Tumor", 0.8),
    row("c", "Liver", 0.0, "missed", hd95=100.0),
    row("c", "Tumor", 0.0, "false_positive", hd95=100.0, sensitivity=NAN),
]


def test_means_medians_and_numbers_by_hand():
    summary = summarise(ROWS, prompts="boxes from the truth")
    assert (summary["cases"], summary["unit"], summary["prompts"]) == (3, "mm", "boxes from the truth")
    liver, tumor, overall = summary["labels"]["Liver"], summary["labels"]["Tumor"], summary["overall"]
    assert liver["metrics"]["dice"]["mean"] == pytest.approx(0.5)
    assert (liver["metrics"]["dice"]["median"], liver["metrics"]["dice"]["n"]) == (0.6, 3)
    assert liver["metrics"]["hd95"]["mean"] == pytest.approx((1 + 4 + 100) / 3)
    assert (tumor["metrics"]["dice"]["mean"], tumor["metrics"]["dice"]["n"]) == (0.4, 2)
    # over labels: (0.5 + 0.4) / 2; cases over labels: 0.9, 0.7, 0.0
    assert overall["metrics"]["dice"]["mean"] == pytest.approx(0.45)
    assert overall["metrics"]["dice"]["median"] == pytest.approx(0.7)
    assert overall["metrics"]["dice"]["n"] == 3
    assert overall["metrics"]["dice"]["mean"] == pytest.approx(mean_over_labels(ROWS), abs=1e-15)


def test_positives_and_negatives_are_counted_apart():
    summary = summarise(ROWS)
    tumor = summary["labels"]["Tumor"]
    assert tumor["states"] == {"present": 1, "missed": 0, "false_positive": 1, "empty": 1}
    assert tumor["positives"] == {"cases": 1, "found": 1, "found_rate": 1.0, "sensitivity": 0.8}
    assert tumor["negatives"] == {"cases": 2, "false_positives": 1, "false_positive_rate": 0.5}
    liver = summary["labels"]["Liver"]
    assert (liver["positives"]["found"], liver["positives"]["found_rate"]) == (2, pytest.approx(2 / 3))
    assert math.isnan(liver["negatives"]["false_positive_rate"])
    assert summary["overall"]["states"] == {"present": 3, "missed": 1, "false_positive": 1, "empty": 1}


def test_a_missed_organ_worsens_every_figure():
    worst = {"iou": 0.0, "hd95": 300.0, "nsd": 0.0, "sensitivity": 0.0}
    found = summarise([row("a", "Liver", 0.9), row("b", "Liver", 0.9)])["overall"]["metrics"]
    after = summarise([row("a", "Liver", 0.9), row("b", "Liver", 0.0, "missed", **worst)])["overall"]["metrics"]
    assert after["hd95"]["mean"] > found["hd95"]["mean"]
    for name in ("dice", "iou", "nsd", "sensitivity"):
        assert after[name]["mean"] < found[name]["mean"]


def test_the_interval_is_that_of_the_percentile_bootstrap():
    dice = np.random.default_rng(4).beta(8, 2, size=40)
    summary = summarise([row(str(index), "Liver", value) for index, value in enumerate(dice)], resamples=20_000)
    reference = stats.bootstrap((dice,), np.mean, n_resamples=20_000, method="percentile", random_state=0)
    interval = summary["labels"]["Liver"]["metrics"]["dice"]["ci95"]
    assert interval == pytest.approx(list(reference.confidence_interval), abs=0.002)
    assert interval[1] - interval[0] == pytest.approx(2 * 1.96 * dice.std() / math.sqrt(40), rel=0.05)


def test_two_cases_by_hand():
    # Three resamples are possible: (0, 0), (0, 1), (1, 1) with 1/4, 1/2, 1/4: the interval reaches from end to end.
    summary = summarise([row("a", "Liver", 0.0, "missed"), row("b", "Liver", 1.0)])
    assert summary["overall"]["metrics"]["dice"]["ci95"] == [0.0, 1.0]


def test_a_seed_fixes_the_interval_and_another_changes_it():
    rows = [row(str(index), "Liver", value) for index, value in enumerate(np.linspace(0.3, 0.95, 9))]
    first, second, other = (summarise(rows, seed=seed) for seed in (1, 1, 2))
    assert first == second
    figures = [item["overall"]["metrics"]["dice"]["ci95"] for item in (first, other)]
    assert figures[0] != figures[1]


def test_one_case_has_no_interval_and_no_case_no_mean():
    one = summarise([row("a", "Liver", 0.7)])["overall"]["metrics"]["dice"]
    assert (one["mean"], one["n"]) == (0.7, 1)
    assert np.isnan(one["ci95"]).all()
    empty = summarise([row("a", "Liver", NAN, "empty")])
    assert math.isnan(empty["overall"]["metrics"]["dice"]["mean"])
    assert empty["overall"]["metrics"]["dice"]["n"] == 0
    assert summarise([])["cases"] == 0


def test_the_file_has_null_for_what_is_not_defined(tmp_path: Path):
    write_summary(summarise([row("a", "Liver", 0.7, auc=NAN)]), tmp_path / "summary.json")
    found = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert found["labels"]["Liver"]["metrics"]["auc"] == {"mean": None, "median": None, "n": 0, "ci95": [None, None]}
    assert found["labels"]["Liver"]["metrics"]["dice"] == {"mean": 0.7, "median": 0.7, "n": 1, "ci95": [None, None]}
    assert (found["prompts"], found["seed"], found["resamples"]) == ("none", 0, 1000)


def test_a_label_called_mean_is_no_mean():
    rows = [item | {"label": "mean" if item["label"] == "Tumor" else item["label"]} for item in ROWS]
    table = summary_table(summarise(rows, prompts="none"))
    assert [line[0] for line in table.rows] == ["Liver", "mean"] and table.last is not None and table.last[0] == "mean"
    assert (table.rows[1][1][0], table.last[1][0]) == ("0.400", "0.450")


def test_the_table_says_what_the_summary_says():
    rows = [item | {"auc": NAN} for item in ROWS]
    lines = format_table(summarise(rows, prompts="none")).splitlines()
    head = "label cases missed false pos. empty Dice HD95 (mm) NSD sens. spec. AUC"
    assert lines[0].split() == head.split()
    assert lines[2].split()[:5] == ["Liver", "3", "1", "0", "0"]
    assert lines[3].split()[:6] == ["Tumor", "2", "0", "1", "1", "0.400"]
    assert lines[5].split()[:6] == ["overall", "3", "1", "1", "1", "0.450"]
    assert lines[2].split()[-1] == "-"
    assert lines[-1] == "Mean [95 % bootstrap interval] over 3 cases; prompts: none."
    assert all(len(line) <= 130 for line in lines)
