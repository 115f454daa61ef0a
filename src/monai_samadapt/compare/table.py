"""The figures of a comparison as tables of text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monai_samadapt.compare.results import FIGURES, Entry
from monai_samadapt.compare.significance import PairedTest

TITLES = {"dice": "Dice", "hd95": "HD95", "nsd": "NSD"}
DIGITS = {"dice": 3, "hd95": 1, "nsd": 3}


@dataclass(frozen=True)
class Table:
    """A table whose cells are text.

    Attributes:
        title: what it shows.
        header: names of the columns.
        rows: one list of cells a line.
    """

    title: str
    header: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """The table in GitHub's Markdown, its title above."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join([f"**{self.title}**", "", *("| " + " | ".join(line) + " |" for line in lines)])

    def plain(self) -> str:
        """The table for a terminal."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        padded = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([self.title, padded[0], "  ".join("-" * width for width in widths), *padded[1:]])


def main_table(entries: Sequence[Entry]) -> Table:
    """Mean Dice, HD95 and NSD with intervals, N, and what each method costs."""
    header = ["test set", "method", *TITLES.values(), "N", "folds", "trained parameters", "training", "peak memory"]
    return Table("Methods", header, [_main_row(entry) for entry in entries])


def _main_row(entry: Entry) -> list[str]:
    overall, cost = entry.summary["overall"]["metrics"], entry.cost
    parameters = cost["parameters"]
    figures = [figure_text(overall[name], name, entry.summary["unit"]) for name in FIGURES]
    share = f"{parameters['trainable']:,} ({parameters['trainable_percent']:.3g} %)"
    folds = str(cost["of"]) if cost["folds"] == cost["of"] else f"{cost['folds']} of {cost['of']}"
    spent = [f"{cost['seconds']:.0f} s", f"{cost['peak_memory_gib']:.2f} GiB"]
    return [entry.test_set, entry.column, *figures, str(overall["dice"]["n"]), folds, share, *spent]


def label_table(entries: Sequence[Entry]) -> Table:
    """The same figures label by label."""
    rows = []
    for entry in entries:
        for label, part in entry.summary["labels"].items():
            figures = [figure_text(part["metrics"][name], name, entry.summary["unit"]) for name in FIGURES]
            counts = [part["metrics"]["dice"]["n"], part["states"]["missed"], part["states"]["false_positive"]]
            rows.append([entry.test_set, label, entry.column, *figures, *map(str, counts)])
    return Table("By label", ["test set", "label", "method", *TITLES.values(), "N", "missed", "false pos."], rows)


def test_table(tests: Mapping[tuple[str, str], Sequence[PairedTest]]) -> Table:
    """Paired tests between methods."""
    header = ["test set", "metric", "methods", "n", "median difference", "p", "p (Holm)"]
    rows = [[name, *_test_cells(metric, test)] for (name, metric), own in tests.items() for test in own]
    return Table("Wilcoxon signed rank tests between methods", header, rows)


def _test_cells(metric: str, test: PairedTest) -> list[str]:
    difference = f"{test.difference:+.{DIGITS[metric]}f}"
    methods = f"{test.first} - {test.second}"
    return [TITLES[metric], methods, str(test.n), difference, _p_text(test.p), _p_text(test.p_holm)]


def figure_text(figure: Mapping[str, Any], metric: str, unit: str | None = None) -> str:
    """``.812 [.790, .831]``; HD95 with its unit; ``-`` where nothing is defined."""
    mean, digits = figure["mean"], DIGITS[metric]
    if mean is None or math.isnan(mean):
        return "-"
    low, high = figure["ci95"]
    interval = f" [{low:.{digits}f}, {high:.{digits}f}]" if low is not None and not math.isnan(low) else ""
    return f"{mean:.{digits}f}{interval}" + (f" {unit}" if metric == "hd95" and unit else "")


def _p_text(p: float) -> str:
    if math.isnan(p):
        return "-"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
