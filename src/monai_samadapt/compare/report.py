"""A comparison's tables, notes and plot, to be printed, written or put into a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from monai_samadapt.compare.cell import Cell, make_cells
from monai_samadapt.compare.page import write_comparison_page
from monai_samadapt.compare.plot import comparison_figure, save_figure
from monai_samadapt.compare.results import Entry, make_entries, make_tests, read_rows, write_rows
from monai_samadapt.compare.significance import PairedTest
from monai_samadapt.compare.study import DataSet, Study
from monai_samadapt.compare.table import Table, label_table, main_table, test_table
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path
from monai_samadapt.reports.jsonfile import write_json
from monai_samadapt.reports.manifest import versions

JSON, CSV, MARKDOWN, PLOT, PAGE = "compare.json", "compare.csv", "compare.md", "compare.png", "report.html"
STUDY = "study.json"


@dataclass(frozen=True)
class ComparisonReport:
    """What there is to show.

    Attributes:
        tables: methods; by label, where there are several; tests, where there are several methods.
        notes: sentences that belong to the tables.
        figure: the plot of Dice; None before any cell has finished.
        entries, tests: the numbers behind them.
    """

    tables: list[Table]
    notes: list[str]
    figure: Figure | None
    entries: list[Entry]
    tests: dict[tuple[str, str], list[PairedTest]]

    def markdown(self) -> str:
        """Tables and notes in Markdown."""
        return "\n\n".join([*(table.markdown() for table in self.tables), *self.notes]) + "\n"

    def plain(self) -> str:
        """Tables and notes for a terminal."""
        return "\n\n".join([*(table.plain() for table in self.tables), "\n".join(self.notes)])


def make_report(study: Study, cells: Sequence[Cell]) -> ComparisonReport:
    """Collect what the finished cells have."""
    rows = read_rows(cells)
    entries = make_entries(cells, rows, study.seed)
    tests = make_tests(entries) if len(study.methods) > 1 else {}
    tables = [main_table(entries)]
    if any(len(entry.summary["labels"]) > 1 for entry in entries):
        tables.append(label_table(entries))
    if any(tests.values()):
        tables.append(test_table(tests))
    figure = comparison_figure(entries) if entries else None
    return ComparisonReport(tables, _notes(study, cells, entries), figure, entries, tests)


def comparison_report(output: Path) -> ComparisonReport:
    """The report of the folder of a comparison, as far as it has come.

    Raises:
        SamAdaptError: when the folder holds none.
    """
    output = Path(output).resolve()
    path = output / STUDY
    if not path.is_file():
        raise SamAdaptError("output", str(output), f"holds no {STUDY}", "give the folder of a comparison")
    content = json.loads(path.read_text())
    sets = {name: DataSet(**data) for name, data in content.pop("sets").items()}
    study = Study(sets, **content)
    return make_report(study, make_cells(study, study.make_folds(), output, {}))


def write_report(report: ComparisonReport, study: Study, cells: Sequence[Cell], output: Path) -> list[Path]:
    """Write ``compare.json``, ``compare.csv``, ``compare.md``, ``report.html`` and ``compare.png``."""
    paths = [output / name for name in (JSON, CSV, MARKDOWN, PAGE)]
    write_json(_content(report, study, cells), paths[0])
    write_rows([row for entry in report.entries for row in entry.rows], paths[1])
    with atomic_path(paths[2]) as temporary:
        temporary.write_text(report.markdown(), encoding="utf-8")
    write_comparison_page(report, study, paths[3])
    if report.figure is not None:
        save_figure(report.figure, output / PLOT)
        paths.append(output / PLOT)
    return paths


def _content(report: ComparisonReport, study: Study, cells: Sequence[Cell]) -> dict[str, Any]:
    kept = ("trained_on", "dataset", "method", "prompts", "summary", "cost")
    return {
        "study": asdict(study),
        "versions": versions(),
        "cells": {cell.title: {"state": "missing", **cell.record()} for cell in cells},
        "results": [{key: getattr(entry, key) for key in kept} for entry in report.entries],
        "tests": [
            {"test_set": name, "metric": metric, **asdict(test)}
            for (name, metric), tests in report.tests.items()
            for test in tests
        ],
        "notes": report.notes,
    }


def _notes(study: Study, cells: Sequence[Cell], entries: Sequence[Entry]) -> list[str]:
    notes = [
        "Mean over labels of the mean over N cases [95 % bootstrap interval over cases]; a missed structure counts as "
        "Dice 0, NSD 0 and the image's diagonal. Training: mean seconds of a fold with validation, without start-up; "
        "peak memory: the highest of all folds (on a CPU of the whole process)."
    ]
    if len(study.methods) > 1:
        notes.append(
            "Tests: two-sided Wilcoxon signed rank over the n subjects (mean of their cases, no prompts), "
            "Holm-corrected over the pairs of methods within a test set and metric; of n subjects the smallest p is "
            "2 / 2^n. Leaving out what another method found where there is none counts as perfect in them."
        )
    if study.folds > 1 or study.mode == "leave_one_out":
        notes.append(
            "Folds share training data, and each method was trained once a fold: intervals and p are about these "
            "cases, not about how trainings vary."
        )
    if any(entry.prompts != "none" for entry in entries):
        notes.append("Prompts named beside a method come from the ground truth.")
    missing = [cell.title for cell in cells if not cell.finished]
    return [*notes, *([f"Not finished: {', '.join(missing)}."] if missing else [])]
