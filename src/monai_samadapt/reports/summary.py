"""Means with their number of cases and bootstrap intervals, for each label and over all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_samadapt.metrics import METRIC_NAMES, STATES
from monai_samadapt.reports.bootstrap import (
    Values,
    bootstrap_weights,
    mean_of_defined,
    percentile_interval,
    resampled_means,
)
from monai_samadapt.reports.jsonfile import write_json

Rows = Sequence[Mapping[str, Any]]


def summarise(rows: Rows, seed: int = 0, resamples: int = 1000, prompts: str = "none") -> dict[str, Any]:
    """Summarise the rows of `SegmentationMetrics`.

    Every metric has ``mean``, ``median``, ``n`` (the cases with a value) and ``ci95``, the percentile bootstrap
    interval of the mean over cases, NaN for fewer than two. A missed structure counts as Dice 0, the image's diagonal
    and NSD 0, as does a prediction on an empty truth; a label that is empty in both is counted in ``states`` only.

    ``overall`` is the mean over labels of the labels' means, as the value of `SegmentationMetrics`; its median is that
    over cases of the case's mean over labels; all labels of a case are resampled together.

    ``positives`` are the cases whose truth has the label (how many were found at all, mean sensitivity over voxels);
    ``negatives`` those without it (how many have a false positive).

    Args:
        rows: one for each case and label.
        seed: seed of the bootstrap.
        resamples: number of resamples.
        prompts: where the prompts came from, part of the report.

    Returns:
        ``{prompts, cases, unit, seed, resamples, labels: {name: {states, metrics, positives, negatives}},
        overall: {states, metrics}}``.
    """
    labels = list(dict.fromkeys(row["label"] for row in rows))
    cases = list(dict.fromkeys(row["case"] for row in rows))
    weights = bootstrap_weights(len(cases), resamples, seed) if cases else np.ones((resamples, 0))
    tables = {name: _table(rows, name, cases, labels) for name in METRIC_NAMES}
    per_label = {}
    for column, label in enumerate(labels):
        own = [row for row in rows if row["label"] == label]
        metrics = {name: _figure(table[:, [column]], weights) for name, table in tables.items()}
        per_label[label] = {"states": _states(own), "metrics": metrics} | _split(own)
    return {
        "prompts": prompts,
        "cases": len(cases),
        "unit": rows[0]["unit"] if rows else None,
        "seed": seed,
        "resamples": resamples,
        "labels": per_label,
        "overall": {
            "states": _states(rows),
            "metrics": {name: _figure(table, weights) for name, table in tables.items()},
        },
    }


def write_summary(summary: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a summary as JSON; NaN becomes null."""
    write_json(summary, path)


def _table(rows: Rows, metric: str, cases: list[str], labels: list[str]) -> Values:
    table = np.full((len(cases), len(labels)), np.nan)
    place = {case: index for index, case in enumerate(cases)}
    for row in rows:
        table[place[row["case"]], labels.index(row["label"])] = row[metric]
    return table


def _figure(table: Values, weights: Values) -> dict[str, Any]:
    """Mean over labels of the mean over cases, and what belongs to it; ``table`` is (cases, labels)."""
    of_cases = mean_of_defined(table, axis=1) if table.size else np.empty(0)
    defined = of_cases[np.isfinite(of_cases)]
    if not defined.size:
        return {"mean": np.nan, "median": np.nan, "n": 0, "ci95": [np.nan, np.nan]}
    means = mean_of_defined(resampled_means(table, weights), axis=1)
    return {
        "mean": float(mean_of_defined(mean_of_defined(table, axis=0), axis=0)),
        "median": float(np.median(defined)),
        "n": int(defined.size),
        "ci95": percentile_interval(means) if defined.size > 1 else [np.nan, np.nan],
    }


def _states(rows: Rows) -> dict[str, int]:
    counts = Counter(row["state"] for row in rows)
    return {state: counts[state] for state in STATES}


def _split(rows: Rows) -> dict[str, Any]:
    states = _states(rows)
    positives, negatives = states["present"] + states["missed"], states["false_positive"] + states["empty"]
    sensitivity = np.array([row["sensitivity"] for row in rows], np.float64)
    return {
        "positives": {
            "cases": positives,
            "found": states["present"],
            "found_rate": states["present"] / positives if positives else np.nan,
            "sensitivity": float(mean_of_defined(sensitivity, axis=0)),
        },
        "negatives": {
            "cases": negatives,
            "false_positives": states["false_positive"],
            "false_positive_rate": states["false_positive"] / negatives if negatives else np.nan,
        },
    }
