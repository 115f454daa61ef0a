"""Tables, tests and plot from known tables of cases."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from monai_samadapt.compare import DataSet, Study
from monai_samadapt.compare.cell import Cell
from monai_samadapt.compare.page import write_comparison_page
from monai_samadapt.compare.plot import comparison_figure
from monai_samadapt.compare.report import make_report, write_report
from monai_samadapt.compare.results import make_entries, make_tests, read_rows

# (s0, s1) in fold 1, (s2, s3) in fold 2; disc and cup; one cup is nowhere
FIRST = {"s0": {"Disc": 0.9, "Cup": 0.7}, "s1": {"Disc": 0.8, "Cup": math.nan}}
SECOND = {"s2": {"Disc": 0.7, "Cup": 0.0}, "s3": {"Disc": 0.6, "Cup": 0.2}}
WORSE = {name: {label: value / 2 for label, value in labels.items()} for name, labels in (FIRST | SECOND).items()}
Finished = Callable[..., Cell]


@pytest.fixture
def cells(finished: Finished) -> list[Cell]:
    worse = [{name: WORSE[name] for name in part} for part in (FIRST, SECOND)]
    return [
        finished("s_sam", FIRST, 1),
        finished("unet", worse[0], 1),
        finished("s_sam", SECOND, 2),
        finished("unet", worse[1], 2),
    ]


@pytest.fixture
def study() -> Study:
    return Study({"a": DataSet("/data")}, {"s_sam": {}, "unet": {}}, folds=2)


def test_figures_are_means_over_labels_of_the_means_over_all_folds(cells: list[Cell]) -> None:
    rows = read_rows(cells)
    s_sam, unet = make_entries(cells, rows, seed=0)
    assert [(row["method"], row["fold"], row["subject"], row["case"]) for row in rows][:2] == [
        ("s_sam", 1, "s0", "s0.png"),
        ("s_sam", 1, "s0", "s0.png"),
    ]
    disc, cup = (0.9 + 0.8 + 0.7 + 0.6) / 4, (0.7 + 0.0 + 0.2) / 3
    dice = s_sam.summary["overall"]["metrics"]["dice"]
    assert (dice["mean"], dice["n"]) == (pytest.approx((disc + cup) / 2), 4)
    assert s_sam.summary["labels"]["Cup"]["metrics"]["dice"]["n"] == 3
    assert unet.summary["overall"]["metrics"]["nsd"]["mean"] == pytest.approx((disc + cup) / 8)
    assert s_sam.by_subject("dice") == pytest.approx({"s0": 0.8, "s1": 0.8, "s2": 0.35, "s3": 0.4})
    assert (s_sam.cost["folds"], s_sam.cost["seconds"], s_sam.cost["peak_memory_gib"]) == (2, 15.0, 1.0)


def test_tables_say_the_same(cells: list[Cell], study: Study) -> None:
    report = make_report(study, cells)
    methods, labels, tests = report.tables
    low, high = report.entries[0].summary["overall"]["metrics"]["dice"]["ci95"]
    assert methods.rows[0][:3] == ["a", "s_sam", f"0.525 [{low:.3f}, {high:.3f}]"]
    assert methods.rows[0][3].startswith("5.2 [") and methods.rows[0][3].endswith("] px")
    assert methods.rows[0][5:] == ["4", "2", "1,234 (1 %)", "15 s", "1.00 GiB"]
    assert [row[:3] for row in labels.rows] == [
        ["a", label, name] for name in study.methods for label in ("Disc", "Cup")
    ]
    assert [row[6:] for row in labels.rows[:2]] == [["4", "0", "0"], ["3", "1", "0"]]
    # differences .4 .4 .175 .2, all positive: p = 2 / 2^4, the median (.4 + .2) / 2
    assert tests.rows[0] == ["a", "Dice", "s_sam - unet", "4", "+0.300", "0.125", "0.125"]
    assert methods.markdown().splitlines()[2:4] == [
        "| test set | method | Dice | HD95 | NSD | N | folds | trained parameters | training | peak memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    assert "Folds share training data" in report.markdown()
    assert "Not finished" not in report.plain()


def test_tables_of_test_sets_are_apart(finished: Finished) -> None:
    cells = [finished("s_sam", FIRST, group="without a"), finished("s_sam", SECOND, group="pooled", dataset="b")]
    entries = make_entries(cells, read_rows(cells), seed=0)
    assert [entry.test_set for entry in entries] == ["a (without a)", "b (pooled)"]
    assert len(comparison_figure(entries).axes) == 2


def test_subjects_with_two_images_count_once(finished: Finished) -> None:
    cells = [finished(name, {"s0": {"Disc": value}, "s1": {"Disc": 1.0}}) for name, value in (("a", 0.5), ("b", 0.3))]
    for cell in cells:
        cell.fold.split.test[1]["subject"] = "s0"
    (test,) = make_tests(make_entries(cells, read_rows(cells), 0))["a", "dice"]
    assert (test.n, test.difference) == (1, pytest.approx(0.1))


def test_an_empty_case_does_not_take_its_subject_out_of_the_tests(finished: Finished) -> None:
    cells = [
        finished(name, {"s0": {"Disc": value}, "s1": {"Disc": math.nan}}) for name, value in (("a", 0.5), ("b", 0.3))
    ]
    for cell in cells:
        cell.fold.split.test[1]["subject"] = "s0"
    first, second = make_entries(cells, read_rows(cells), 0)
    assert (first.by_subject("dice"), second.by_subject("dice")) == ({"s0": 0.5}, {"s0": 0.3})


def test_what_only_one_method_invents_counts_against_it_in_the_tests(finished: Finished) -> None:
    """Of ten subjects without the object one method marks it in all: the other is better there, Dice 1 against 0."""
    present = {f"s{index}": {"Polyp": 0.9} for index in range(10)}
    absent = {f"t{index}": {"Polyp": math.nan} for index in range(10)}
    cells = [finished("careful", present | absent), finished("hallucinates", present | absent)]
    path = cells[1].folder / "evaluation" / "cases.csv"
    lines = path.read_text().splitlines()
    place = {name: index for index, name in enumerate(lines[0].split(","))}
    changed = []
    for line in lines:
        row = line.split(",")
        if row[place["state"]] == "empty":
            row[place["state"]], row[place["dice"]], row[place["nsd"]], row[place["hd95"]] = (
                "false_positive",
                "0",
                "0",
                "9",
            )
        changed.append(",".join(row))
    path.write_text("\n".join(changed) + "\n")
    entries = make_entries(cells, read_rows(cells), 0)
    tests = make_tests(entries)
    for metric, difference in (("dice", 0.5), ("nsd", 0.5), ("hd95", -4.5)):
        (test,) = tests["a", metric]
        assert (test.n, test.difference) == (20, difference)  # half of the subjects differ by all, half not
        assert test.p < 0.01
    assert [entry.summary["overall"]["metrics"]["dice"]["n"] for entry in entries] == [10, 20]  # as they are


def test_written_files(cells: list[Cell], study: Study, tmp_path: Path) -> None:
    unfinished = Cell("unet", cells[3].fold, tmp_path / "none", cells[3].bundle, "image2d", {}, {})
    cells = [*cells[:3], unfinished]
    write_report(make_report(study, cells), study, cells, tmp_path)
    with open(tmp_path / "compare.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * 4
    assert [rows[3][key] for key in ("dataset", "method", "fold", "subject", "label", "dice")] == [
        "a",
        "s_sam",
        "1",
        "s1",
        "Cup",
        "",
    ]
    content = json.loads((tmp_path / "compare.json").read_text())
    assert [(part["method"], part["cost"]["folds"], part["cost"]["of"]) for part in content["results"]] == [
        ("s_sam", 2, 2),
        ("unet", 1, 2),
    ]
    assert content["cells"]["unet a-fold2"]["state"] == "missing"
    assert content["notes"][-1] == "Not finished: unet a-fold2."
    assert "| a | unet |" in (tmp_path / "compare.md").read_text()
    assert "Not finished: unet a-fold2." in (tmp_path / "report.html").read_text()
    with Image.open(tmp_path / "compare.png") as picture:
        assert picture.size[0] > 300


def test_the_page_shows_the_tables_in_a_browser(
    cells: list[Cell], study: Study, tmp_path: Path, browser: Callable[[Path], tuple[str, list[str]]]
) -> None:
    report = make_report(study, cells)
    write_comparison_page(report, study, tmp_path / "report.html")
    dom, console = browser(tmp_path / "report.html")
    assert console == []
    found = [
        [[unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows]
        for rows in (re.findall("<tr>(.*?)</tr>", table) for table in re.findall("<table>(.*?)</table>", dom))
    ]
    assert found == [[table.header, *table.rows] for table in report.tables]
    dice = [
        f"{name} on a {entry.summary['overall']['metrics']['dice']['mean']:.3f}"
        for name, entry in zip(("s_sam", "unet"), report.entries, strict=True)
    ]
    assert f'alt="Dice of every subject by method. Mean: {"; ".join(dice)}."' in dom
    assert all(note in unescape(dom) for note in report.notes)
