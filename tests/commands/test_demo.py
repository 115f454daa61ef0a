"""`samadapt demo` from data to segmented cases, by the commands a user would type."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_samadapt.cli import main


@pytest.mark.slow
def test_demo_makes_both_kinds_of_data_and_runs_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--method", "sam2_lora", "--cases", "4", "--epochs", "6", "--output", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "sam2_lora: base weights sam2.1_hiera_nano" in lines
    assert len(list((tmp_path / "data" / "ct" / "images").iterdir())) == 4
    assert len(list((tmp_path / "data" / "fundus" / "images").iterdir())) == 4
    summary = json.loads((tmp_path / "sam2_lora" / "run" / "evaluation" / "summary.json").read_text())
    dice = {label: part["metrics"]["dice"]["mean"] for label, part in summary["labels"].items()}
    assert f"  sam2_lora  Disc {dice['Disc']:.3f}  Cup {dice['Cup']:.3f}" in lines
    case = json.loads((tmp_path / "data" / "fundus" / "datalist.json").read_text())["test"][0]
    truth = np.asarray(Image.open(tmp_path / "data" / "fundus" / case["label"])) > 0
    found = (
        np.asarray(Image.open(tmp_path / "sam2_lora" / "predictions" / "images" / f"{case['subject']}_seg_Disc.png"))
        > 0
    )
    # one test case: the table's figure is that of the written file
    assert dice["Disc"] == pytest.approx(2 * (truth & found).sum() / (truth.sum() + found.sum()), abs=1e-6)
