"""The columns and cells of cases.csv."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas
import pytest

from monai_samadapt.labels import LabelSpec
from monai_samadapt.metrics import case_metrics
from monai_samadapt.reports import write_cases

HEADER = (
    "case,label,state,dice,iou,hd95,nsd,sensitivity,specificity,auc,dice_image,specificity_image,auc_image,"
    "truth_voxels,pred_voxels,unit,prompts,file"
)


def test_columns_are_fixed_and_undefined_values_are_empty(tmp_path: Path):
    truth, pred = np.zeros((2, 1, 6, 6), np.uint8)
    truth[:, :3], pred[:, 1:3] = 1, 1
    rows = case_metrics(pred, truth, None, LabelSpec.parse(["Liver", "Tumor"]))
    rows = [{"file": "/d/a, b.png", "case": "a, b.png", "more": 1} | row for row in rows]
    write_cases(rows, tmp_path / "new" / "cases.csv")
    lines = (tmp_path / "new" / "cases.csv").read_text().splitlines()
    assert lines[0] == HEADER
    assert lines[1] == f'"a, b.png",Liver,present,0.8,{12 / 18},1.0,1.0,{12 / 18},1.0,,0.8,1.0,,18,12,px,,"/d/a, b.png"'
    assert lines[2] == '"a, b.png",Tumor,empty,,,,,,,,,,,0,0,px,,"/d/a, b.png"'


def test_pandas_and_the_standard_library_read_it(tmp_path: Path):
    row = {"case": "ä", "label": "Liver", "state": "present", "dice": 1 / 3, "hd95": float("nan")}
    write_cases([row], tmp_path / "cases.csv")
    table = pandas.read_csv(tmp_path / "cases.csv")
    assert table.loc[0, "dice"] == pytest.approx(1 / 3, abs=1e-16)
    assert np.isnan(table.loc[0, "hd95"])
    with open(tmp_path / "cases.csv", newline="", encoding="utf-8") as stream:
        assert next(csv.DictReader(stream))["case"] == "ä"


def test_no_rows_give_a_header(tmp_path: Path):
    write_cases([], tmp_path / "cases.csv")
    assert (tmp_path / "cases.csv").read_text() == HEADER + "\n"
