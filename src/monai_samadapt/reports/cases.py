"""The table of all cases and labels as a CSV file."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from monai_samadapt.files import atomic_path
from monai_samadapt.metrics import METRIC_NAMES

COLUMNS = ("case", "label", "state", *METRIC_NAMES, "truth_voxels", "pred_voxels", "unit", "prompts", "file")


def write_cases(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write one line for each case and label, always with the same columns in the same order.

    A value that is not defined is an empty cell. Numbers have all their digits.

    Args:
        rows: the rows of `SegmentationMetrics`; further keys are left out, missing ones are empty.
        path: the CSV file.
    """
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: _cell(row.get(column, "")) for column in COLUMNS} for row in rows)


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
