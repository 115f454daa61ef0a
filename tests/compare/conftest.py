"""Cells that look finished, from known tables of cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.compare.cell import RECORD, Cell
from monai_samadapt.datasets import Split
from monai_samadapt.datasets.folds import Fold
from monai_samadapt.metrics.aggregate import METRIC_NAMES
from monai_samadapt.reports import write_cases
from monai_samadapt.reports.jsonfile import write_json


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., Cell]:
    """A finished cell: Dice by subject and label, an image ``/data/SUBJECT.png`` each; NSD is half, HD95 tenfold."""

    def make(
        method: str, dice: Mapping[str, Mapping[str, float]], number: int = 1, group: str = "a", dataset: str = "a"
    ) -> Cell:
        items = [{"image": f"/data/{name}.png", "label": "", "subject": name, "dataset": dataset} for name in dice]
        folder = tmp_path / group / str(number) / method
        rows = [
            {"case": name, "file": f"/data/{name}.png", "label": label, **figures(value)}
            for name, labels in dice.items()
            for label, value in labels.items()
        ]
        write_cases(rows, folder / "evaluation" / "cases.csv")
        training = {
            "parameters": {"trainable": 1234, "base": 123400, "trainable_percent": 1.0},
            "base": None,
            "epochs": 2,
            "seconds": 10.0 * number,
            "peak_memory_gib": 0.5 * number,
        }
        write_json({"training": training, "state": "finished"}, folder / RECORD)
        fold = Fold(group, number, Split([], [], items))
        return Cell(method, fold, folder, find_bundle("s_sam"), "image2d", {}, {})

    return make


def figures(dice: float) -> dict[str, Any]:
    """The metrics of a row; NaN for a label that is empty in both."""
    empty = math.isnan(dice)
    values = dict.fromkeys(METRIC_NAMES, 0.5) | {"dice": dice, "hd95": 10 * dice, "nsd": dice / 2}
    state = "empty" if empty else "present" if dice else "missed"
    return {**values, "state": state, "unit": "px", "prompts": "none"}
