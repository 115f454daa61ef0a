"""The cases and figures of the finished cells."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import numpy as np

from monai_samadapt.compare.cell import Cell
from monai_samadapt.compare.significance import PairedTest, paired_tests
from monai_samadapt.files import atomic_path
from monai_samadapt.metrics.aggregate import METRIC_NAMES, case_names
from monai_samadapt.reports.bootstrap import Values, mean_of_defined
from monai_samadapt.reports.summary import summarise
from monai_samadapt.run_files import CASES, EVALUATION

PERFECT = {"dice": 1.0, "hd95": 0.0, "nsd": 1.0}
FIGURES = tuple(PERFECT)
COLUMNS = (
    "trained_on",
    "dataset",
    "method",
    "fold",
    "prompts",
    "subject",
    "case",
    "label",
    "state",
    *METRIC_NAMES,
    "unit",
)

Row = dict[str, Any]
Key = TypeVar("Key")


@dataclass(frozen=True)
class Entry:
    """A method on one test set.

    Attributes:
        trained_on: the data set, ``pooled`` or ``without NAME``.
        dataset: the test set.
        method, prompts: of the column; prompts other than ``none`` came from the ground truth.
        rows: of all folds, each case once.
        summary: of `summarise` over them.
        cost: trained parameters, base, mean seconds and highest peak memory of its trainings.
    """

    trained_on: str
    dataset: str
    method: str
    prompts: str
    rows: list[Row] = field(repr=False)
    summary: dict[str, Any] = field(repr=False)
    cost: dict[str, Any] = field(repr=False)

    @property
    def column(self) -> str:
        """The method, and the prompts where there were any."""
        return self.method if self.prompts == "none" else f"{self.method}, {self.prompts}"

    @property
    def test_set(self) -> str:
        """The test set, and the training where it was not on this set alone."""
        return self.dataset if self.trained_on == self.dataset else f"{self.dataset} ({self.trained_on})"

    def by_subject(self, metric: str, absent: Collection[tuple[str, str]] = ()) -> dict[str, float]:
        """The mean over a subject's cases of the case's mean over labels.

        Args:
            metric: its name.
            absent: cases and labels where another method found what is not there: leaving it out counts as perfect.
        """
        rows = [
            {**row, metric: PERFECT[metric]}
            if row["state"] == "empty" and (row["case"], row["label"]) in absent
            else row
            for row in self.rows
        ]
        cases = grouped(rows, lambda row: (row["subject"], row["case"]))
        means = {key: float(mean_of_defined(_column(rows, metric), axis=0)) for key, rows in cases.items()}
        subjects = grouped(list(means), lambda key: key[0])
        of_cases = {name: np.array([means[key] for key in keys]) for name, keys in subjects.items()}
        return {name: float(mean_of_defined(values, axis=0)) for name, values in of_cases.items()}


def read_rows(cells: Sequence[Cell]) -> list[Row]:
    """The rows of ``cases.csv`` of all finished cells, with data set, subject, method and fold."""
    found = []
    for cell in cells:
        if not cell.finished:
            continue
        items = {str(Path(item["image"])): item for item in cell.fold.split.test}
        own = {"trained_on": cell.fold.group, "method": cell.method, "fold": cell.fold.number}
        with open(cell.folder / EVALUATION / CASES, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                item = items[row["file"]]
                numbers = {name: float(row[name]) if row[name] else math.nan for name in METRIC_NAMES}
                found.append({**row, **numbers, **own, "dataset": item["dataset"], "subject": str(item["subject"])})
    names = case_names(sorted({row["file"] for row in found}))
    return [{**row, "case": names[row["file"]]} for row in found]


def make_entries(cells: Sequence[Cell], rows: Sequence[Row], seed: int) -> list[Entry]:
    """Summarise the rows of each method on each test set, in the order of the cells."""
    costs = {key: _cost(own) for key, own in grouped(cells, lambda cell: (cell.fold.group, cell.method)).items()}
    groups = grouped(rows, lambda row: (row["trained_on"], row["dataset"], row["method"], row["prompts"]))
    sets = list(dict.fromkeys(key[:2] for key in groups))
    return [
        Entry(*key, own, summarise(own, seed, prompts=key[3]), costs[key[0], key[2]])
        for key, own in sorted(groups.items(), key=lambda group: sets.index(group[0][:2]))
    ]


def make_tests(entries: Sequence[Entry]) -> dict[tuple[str, str], list[PairedTest]]:
    """Paired tests between the methods without prompts, by test set and metric."""
    plain = [entry for entry in entries if entry.prompts == "none"]
    tests = {}
    for test_set, own in grouped(plain, lambda entry: entry.test_set).items():
        invented = {
            (row["case"], row["label"]) for entry in own for row in entry.rows if row["state"] == "false_positive"
        }
        for metric in FIGURES:
            values = {entry.method: entry.by_subject(metric, invented) for entry in own}
            tests[test_set, metric] = paired_tests(values)
    return tests


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write ``compare.csv``: one line for each case, label, method and source of prompts; an empty cell for NaN."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "" if value != value else value for key, value in row.items()} for row in rows)


def grouped(items: Sequence[Any], key: Callable[[Any], Key]) -> dict[Key, list[Any]]:
    """Items by key, in the order of first appearance."""
    groups: dict[Key, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _column(rows: Sequence[Row], metric: str) -> Values:
    return np.array([row[metric] for row in rows], np.float64)


def _cost(cells: Sequence[Cell]) -> dict[str, Any]:
    """Of the cells that were trained; the first says parameters and base."""
    trained = [record["training"] for cell in cells if "training" in (record := cell.record())]
    if not trained:
        return {"folds": 0, "of": len(cells)}
    return {
        "folds": sum(cell.finished for cell in cells),
        "of": len(cells),
        "parameters": trained[0]["parameters"],
        "base": trained[0]["base"],
        "epochs": trained[0]["epochs"],
        "seconds": fmean(one["seconds"] for one in trained),
        "peak_memory_gib": max(one["peak_memory_gib"] for one in trained),
    }
