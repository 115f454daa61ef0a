"""Means over cases and labels that count empty and missed structures by rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

METRIC_NAMES = (
    *("dice", "iou", "hd95", "nsd", "sensitivity", "specificity", "auc"),
    *("dice_image", "specificity_image", "auc_image"),
)


def mean_over_labels(rows: Sequence[Mapping[str, Any]], metric: str = "dice") -> float:
    """Return the mean over labels of the label's mean over its cases.

    A missed structure and a prediction on an empty truth count (Dice 0); a label that is empty in both, and a value
    that is not defined, is left out. NaN when nothing is left: never 0, which would look like a failed training.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        if not math.isnan(row[metric]):
            values.setdefault(row["label"], []).append(row[metric])
    means = [math.fsum(group) / len(group) for group in values.values()]
    return math.fsum(means) / len(means) if means else math.nan


def merge_ranks(gathered: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Join the rows of all processes; a case that a distributed sampler repeated to fill up a rank counts once."""
    merged: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for rows in gathered:
        new = [dict(row) for row in rows if (row["file"], row["prompts"]) not in seen]
        merged += new
        seen |= {(row["file"], row["prompts"]) for row in new}
    return merged


def by_prompts(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Divide rows by the source of their prompts, in the order of first appearance."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["prompts"], []).append(row)
    return groups


def case_names(files: Sequence[str]) -> dict[str, str]:
    """Name each file by its last path parts: as few as tell all of them apart."""
    parts = {file: PurePath(file).parts for file in files}
    names = {file: file for file in files}
    for depth in range(max((len(part) for part in parts.values()), default=0), 0, -1):
        shorter = {file: "/".join(part[-depth:]) for file, part in parts.items()}
        if len(set(shorter.values())) == len(shorter):
            names = shorter
    return names
