"""The summary as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_HEADER = ("label", "cases", "missed", "false pos.", "empty")
_FIGURES = (
    ("Dice", "dice", 3, True),
    ("HD95", "hd95", 1, True),
    ("NSD", "nsd", 3, True),
    ("sens.", "sensitivity", 3, False),
    ("spec.", "specificity", 3, False),
    ("AUC", "auc", 3, False),
)


def format_table(summary: Mapping[str, Any]) -> str:
    """Return the summary of `summarise` as plain text: one line for each label and one over all.

    ``cases`` counts those that the means are over; a ``-`` stands for a figure that is not defined.
    """
    head = [*_HEADER, *(f"HD95 ({summary['unit']})" if title == "HD95" else title for title, *_ in _FIGURES)]
    lines = [[name, *_cells(part)] for name, part in summary["labels"].items()]
    lines.append(["overall", *_cells(summary["overall"])])
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    rule = "  ".join("-" * width for width in widths)
    table = [_join(head, widths), rule, *(_join(line, widths) for line in lines[:-1]), rule, _join(lines[-1], widths)]
    note = f"Mean [95 % bootstrap interval] over {summary['cases']} cases; prompts: {summary['prompts']}."
    return "\n".join([*table, note])


def _cells(part: Mapping[str, Any]) -> list[str]:
    states = part["states"]
    counts = [part["metrics"]["dice"]["n"], states["missed"], states["false_positive"], states["empty"]]
    figures = [_number(part["metrics"][key], digits, interval) for _, key, digits, interval in _FIGURES]
    return [str(count) for count in counts] + figures


def _number(figure: Mapping[str, Any], digits: int, interval: bool) -> str:
    if math.isnan(figure["mean"]):
        return "-"
    low, high = figure["ci95"]
    bounds = f" [{low:.{digits}f}, {high:.{digits}f}]" if interval and not math.isnan(low) else ""
    return f"{figure['mean']:.{digits}f}{bounds}"


def _join(cells: list[str], widths: list[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *numbers]).rstrip()
