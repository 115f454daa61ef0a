"""The table of all cases and labels as a CSV file."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from monai_samadapt.errors import SamAdaptError
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


def read_cases(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read what `write_cases` wrote: metrics as numbers, NaN where a value is not defined.

    Raises:
        SamAdaptError: when the file is missing, or has other columns.
    """
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    except OSError as error:
        raise SamAdaptError("report_dir", str(path), "cannot be read", "evaluate the run first") from error
    if rows and set(rows[0]) != set(COLUMNS):
        raise SamAdaptError("report_dir", str(path), "has other columns", "evaluate the run with this version")
    return [row | {name: float(row[name] or "nan") for name in METRIC_NAMES} for row in rows]


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
