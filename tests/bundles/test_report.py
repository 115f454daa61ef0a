"""report.html of a real run: written by evaluate, and the same again by samadapt report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_samadapt.cli import main


def test_evaluate_and_samadapt_report_write_the_same_page(bundle: Any, picture_run: Any, tmp_path: Path) -> None:
    report_dir = tmp_path / "evaluation"
    ids = {**picture_run.ids, "output_dir": str(picture_run.folder), "report_dir": str(report_dir), "num_workers": 0}
    bundle.run("train+evaluate+image2d", prompt_modes=["none", "box"], section="training", **ids)
    page = report_dir / "report.html"
    written = page.read_bytes()
    page.unlink()
    assert main(["report", str(picture_run.folder), "--report-dir", str(report_dir)]) == 0
    assert page.read_bytes() == written
    html = written.decode()
    about = json.loads((picture_run.folder / "adapter.json").read_text())
    manifest = json.loads((report_dir / "manifest.json").read_text())
    assert manifest["data"]["items"] == {"training": 3}  # each once, with two sources of prompts
    assert manifest["model_file"] == str(picture_run.folder / "model.pt")
    assert (manifest["section"], manifest["nsd_tolerance"], manifest["seed"]) == ("training", 2.0, 0)
    for text in (
        about["base"]["sha256"],
        manifest["data"]["sha256"],
        "s_sam: Rim, Cup",
        "Training curves over 2 epochs",
    ):
        assert text in html
    for text in ("<h2>Results</h2>", "<h2>Results, prompts: box", "3 of section training", "Manifest of the training"):
        assert text in html
    # both sources of prompts of the three pictures, as worst or best, two plots and the curves
    assert len(list((report_dir / "overlays").iterdir())) == 6
    assert html.count("data:image/png;base64,") == 6 + 2 + 1
