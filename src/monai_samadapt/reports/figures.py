"""Figures of a summary as cells of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from monai_samadapt.reports.page import Cell, Table

FIGURES = (
    ("Dice", "dice", 3),
    ("IoU", "iou", 3),
    ("HD95", "hd95", 1),
    ("NSD", "nsd", 3),
    ("sensitivity", "sensitivity", 3),
    ("specificity", "specificity", 3),
    ("AUC", "auc", 3),
)
"""Title, name and digits."""
OF_IMAGE = (("Dice", "dice_image", 3), ("specificity", "specificity_image", 3), ("AUC", "auc_image", 3))


def summary_table(summary: Mapping[str, Any]) -> Table:
    """All labels and their mean: mean [95 % interval] (N) of every metric, and the counts of the states."""
    caption = (
        "Mean [95 % bootstrap interval] (N cases with a value). Missed: of the cases that have the label. "
        "False positives: of those that have not. Empty: neither there nor predicted, in no mean."
    )
    head = ["label", *(_title(title, summary) for title, *_ in FIGURES), "missed", "false pos.", "empty"]
    return Table(caption, head, *_rows(summary, FIGURES, counts=True))


def image_table(summary: Mapping[str, Any]) -> Table:
    """The figures over all of the image, where nothing was counted outside a field of view."""
    caption = "The same over the whole image, inside the field of view and outside; the table above counts inside only."
    head = ["label", *(title for title, *_ in OF_IMAGE)]
    return Table(caption, head, *_rows(summary, OF_IMAGE, counts=False))


def figure_cell(figure: Mapping[str, Any], digits: int) -> Cell:
    """``0.912`` and ``[0.880, 0.934] (12)``; a dash where it is not defined."""
    if not _defined(figure["mean"]):
        return "-"
    low, high = figure["ci95"]
    interval = f"[{low:.{digits}f}, {high:.{digits}f}] " if _defined(low) else ""
    return f"{figure['mean']:.{digits}f}", f"{interval}({figure['n']})"


def _rows(summary: Mapping[str, Any], figures: Sequence[tuple[str, str, int]], counts: bool) -> tuple[Any, Any]:
    lines = []
    for name, part in (*summary["labels"].items(), ("mean", summary["overall"])):
        cells = [figure_cell(part["metrics"][key], digits) for _, key, digits in figures]
        lines.append([name, *cells, *(_counts(part["states"]) if counts else [])])
    return lines[:-1], lines[-1]


def _counts(states: Mapping[str, int]) -> list[str]:
    positives, negatives = states["present"] + states["missed"], states["false_positive"] + states["empty"]
    return [f"{states['missed']} of {positives}", f"{states['false_positive']} of {negatives}", str(states["empty"])]


def _title(title: str, summary: Mapping[str, Any]) -> str:
    return f"HD95 ({summary['unit']})" if title == "HD95" else title


def _defined(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
