"""report.html: the figures of summary.json in a real browser, pictures, curves, and what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_samadapt.cli import main
from monai_samadapt.engines.artefacts import write_history
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.metrics import case_metrics
from monai_samadapt.metrics.aggregate import by_prompts
from monai_samadapt.reports import summarise, write_cases, write_summary
from monai_samadapt.reports.cases import read_cases
from monai_samadapt.reports.evaluation import command_line, write_report
from monai_samadapt.reports.extremes import case_score
from monai_samadapt.reports.jsonfile import write_json
from monai_samadapt.reports.keeper import overlay_name

ORGANS = LabelSpec.parse(["Liver", "Tumor <small>"])
COMMAND = "/env/lib/monai/bundle/__main__.py run --config_file \"['a.json','b.json']\""


class Tables(HTMLParser):
    """The tables of a page as lists of rows of cells' texts, and its other texts by tag."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.alts: list[str] = []
        self.headings: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "img":
            self.alts.append(dict(attrs)["alt"] or "")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
        elif {"h2", "h3"} & set(self.open):
            self.headings.append(data)


def rows_of(prompts: str, seed: int) -> list[dict[str, Any]]:
    """Twelve random pictures; the tumour is missed once, falsely found once, and empty twice."""
    generator = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for index in range(12):
        pred, truth = generator.integers(0, 3, size=(2, 1, 16, 12))
        if index < 3:
            truth[truth == 2] = 0
        if index in (0, 1, 3):
            pred[pred == 2] = 0
        case = {"case": f"case {index}.png", "file": f"/d/case {index}.png", "prompts": prompts}
        prob = generator.random((2, 16, 12))
        rows += [case | row for row in case_metrics(pred, truth, None, ORGANS, prob=prob)]
    return rows


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """The files of a run that was evaluated with two sources of prompts."""
    rows = rows_of("none", 0) + rows_of("box (ground truth)", 1)
    folder, parts = tmp_path / "evaluation", by_prompts(rows)
    write_cases(rows, folder / "cases.csv")
    first, second = (summarise(part, 3, prompts=name) for name, part in parts.items())
    write_summary(first | {"other_prompts": [second]}, folder / "summary.json")
    data = {"items": {"test": 12}, "sha256": "d" * 64}
    ended = "2026-01-02T03:04:05+00:00"
    write_json({"command": COMMAND, "ended": ended, "data": data, "nsd_tolerance": 2.0}, folder / "manifest.json")
    parameters = {"trainable": 440064, "base": 93735472, "trainable_percent": 0.46947}
    write_json({"parameters": parameters}, tmp_path / "manifest.json")
    base = {"checkpoint": "sam_vit_b", "sha256": "b" * 64}
    preprocessing = {"modality": "image2d", "image_size": 256}
    write_json({"method": "s_sam", "base": base, "preprocessing": preprocessing}, tmp_path / "adapter.json")
    write_history(tmp_path, [history(epoch) for epoch in range(1, 5)])
    (folder / "overlays").mkdir()
    for place, prefix, index, prompts in (
        (0, "", 4, "none"),
        (1, "", 5, "box (ground truth)"),
        (0, "best_", 6, "none"),
    ):
        own = [row for row in parts[prompts] if row["case"] == f"case {index}.png"]
        name = overlay_name(case_score(own), own[0]["case"], prompts)
        Image.new("RGB", (8, 8)).save(folder / "overlays" / f"{prefix}{place:02d}_{name}")
    return tmp_path


def history(epoch: int) -> dict[str, float]:
    validated = {"val_mean_dice": epoch / 8} if epoch % 2 == 0 else {}
    return {"epoch": epoch, "loss": 1 / epoch, "loss_dice": 0.5 / epoch, "learning_rate": 1e-3, **validated}


def parse(html: str) -> Tables:
    parsed = Tables()
    parsed.feed(html)
    return parsed


def expected(name: str, part: dict[str, Any]) -> list[str]:
    """A row of the table, written from summary.json by another way than the report's."""
    digits = {"hd95": 1}
    cells = [name]
    for metric in ("dice", "iou", "hd95", "nsd", "sensitivity", "specificity", "auc"):
        figure, places = part["metrics"][metric], digits.get(metric, 3)
        low, high = (format(value, f".{places}f") for value in figure["ci95"])
        cells.append(f"{format(figure['mean'], f'.{places}f')} [{low}, {high}] ({figure['n']})")
    states = part["states"]
    cells.append(f"{states['missed']} of {states['present'] + states['missed']}")
    cells.append(f"{states['false_positive']} of {states['false_positive'] + states['empty']}")
    return [*cells, str(states["empty"])]


def test_a_browser_shows_the_figures_of_the_summary(
    run_dir: Path, browser: Callable[[Path], tuple[str, list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run_dir)]) == 0
    page = run_dir / "evaluation" / "report.html"
    assert capsys.readouterr().out == f"wrote {page}\n"
    dom, console = browser(page)
    assert console == []
    summary = json.loads((run_dir / "evaluation" / "summary.json").read_text())
    shown = parse(dom)
    assert len(shown.tables) == 2
    for table, part in zip(shown.tables, (summary, *summary["other_prompts"]), strict=True):
        assert table[1:-1] == [expected(label, own) for label, own in part["labels"].items()]
        assert table[-1] == expected("mean", part["overall"])
    assert shown.tables[0][2][-3:] == ["1 of 9", "1 of 3", "2"]


def test_headings_texts_and_pictures(run_dir: Path) -> None:
    write_report(run_dir, run_dir / "evaluation")
    html = (run_dir / "evaluation" / "report.html").read_text()
    shown = parse(html)
    assert shown.headings == [
        *("Run", "Results", "Worst cases", "Best cases"),
        *("Results, prompts: box (ground truth)", "Worst cases", "Training", "Manifest"),
    ]
    kinds = [re.split(r"[ .:]", alt)[0] for alt in shown.alts]
    assert kinds == ["Dice", "case", "case", "Dice", "case", "Training"]
    assert [re.findall(r"case \d", alt)[0] for alt in shown.alts if alt.startswith("case")] == [
        *("case 4", "case 6", "case 5")
    ]
    assert shown.alts[-1] == "Training curves over 4 epochs: loss 1.000 to 0.250, best validation Dice 0.500."
    for text in ("b" * 64, "440,064 parameters, 0.469 % of the base", "12 of section test; SHA-256 " + "d" * 64):
        assert text in html
    assert "none; box (ground truth)" in html
    assert "python -m monai.bundle run --config_file" in html
    assert "12 cases, evaluated 2026-01-02 03:04:05 UTC" in html
    assert "s_sam: Liver, Tumor &lt;small&gt;" in html
    assert html.count("data:image/png;base64,") == 6


def test_a_report_without_a_training_run_or_overlays(run_dir: Path) -> None:
    for name in ("adapter.json", "manifest.json", "history.csv", "evaluation/manifest.json"):
        (run_dir / name).unlink()
    for path in (run_dir / "evaluation" / "overlays").iterdir():
        path.unlink()
    write_report(run_dir, run_dir / "evaluation")
    shown = parse((run_dir / "evaluation" / "report.html").read_text())
    assert shown.headings == ["Run", "Results", "Results, prompts: box (ground truth)"]


def test_figures_of_the_whole_image_where_a_field_of_view_was_counted(tmp_path: Path) -> None:
    pred, truth = np.random.default_rng(0).integers(0, 3, size=(2, 1, 16, 12))
    fov = np.zeros((1, 16, 12), np.uint8)
    fov[:, 4:] = 1
    case = {"case": "a.png", "file": "/d/a.png", "prompts": "none"}
    rows = [case | row for row in case_metrics(pred, truth, None, ORGANS, fov=fov)]
    write_cases(rows, tmp_path / "cases.csv")
    write_summary(summarise(rows) | {"other_prompts": []}, tmp_path / "summary.json")
    write_report(tmp_path, tmp_path)
    inside, whole = parse((tmp_path / "report.html").read_text()).tables
    for index, row in enumerate(rows, start=1):
        assert inside[index][1] == f"{row['dice']:.3f} (1)"
        assert whole[index][1] == f"{row['dice_image']:.3f} (1)"
        assert row["dice"] != row["dice_image"]
        assert inside[index][7] == "-"  # without probabilities


def test_nothing_to_report_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 1
    path = tmp_path / "evaluation" / "cases.csv"
    assert capsys.readouterr().err == f"report_dir='{path}': cannot be read; evaluate the run first\n"


def test_cases_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = rows_of("none", 0)
    write_cases(rows, tmp_path / "cases.csv")
    read = read_cases(tmp_path / "cases.csv")
    for name in ("dice", "hd95", "auc"):
        np.testing.assert_array_equal([row[name] for row in read], [row[name] for row in rows])
    assert [row["state"] for row in read] == [row["state"] for row in rows]
    (tmp_path / "cases.csv").write_text("case,label\na,b\n")
    with pytest.raises(SamAdaptError, match="has other columns; evaluate the run with this version"):
        read_cases(tmp_path / "cases.csv")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/x/monai/bundle/__main__.py run --seed 1", "python -m monai.bundle run --seed 1"),
        (COMMAND, "python -m monai.bundle run --config_file \"['a.json','b.json']\""),
        ("run 'it'\"'\"'s $1'", "run 'it'\"'\"'s $1'"),
        ("/x/pytest/__main__.py -q", "python -m pytest -q"),
        ("/x/bin/samadapt demo --output 'a b'", "/x/bin/samadapt demo --output 'a b'"),
        ("", ""),
    ],
)
def test_a_command_as_it_was_typed(command: str, shown: str) -> None:
    assert command_line(command) == shown
