"""A comparison as one HTML file that needs nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from monai_samadapt.compare.study import Study
from monai_samadapt.reports.jsonfile import json_value
from monai_samadapt.reports.page import Cell, Facts, Paragraph, Part, Picture, Section, Table, write_page
from monai_samadapt.reports.plots import png

if TYPE_CHECKING:
    from monai_samadapt.compare.report import ComparisonReport

MODES = {
    "separate": "each data set by itself",
    "pooled": "one training on all data sets",
    "leave_one_out": "each data set tested on a training on the others",
}


def write_comparison_page(report: ComparisonReport, study: Study, path: Path) -> None:
    """Write the study, the plot, all tables and the notes of a comparison, as far as it has come."""
    results: list[Part | Section] = []
    if report.figure is not None:
        means = [f"{one.column} on {one.test_set} {_dice(one.summary):.3f}" for one in report.entries]
        alt = f"Dice of every subject by method. Mean: {'; '.join(means)}."
        caption = "Dice of a subject: points; box: quartiles and median."
        results.append(Picture(png(report.figure), alt, caption))
    filled = [table for table in report.tables if table.rows]
    results += [Table(one.title, one.header, [[_cell(text) for text in row] for row in one.rows]) for one in filled]
    sections = [Section("Study", [_facts(report, study)])]
    sections += [Section("Results", results)] if results else []
    sections.append(Section("Notes", [Paragraph(note) for note in report.notes]))
    lead = f"{', '.join(study.sets)}. For research; not a medical device."
    write_page(path, f"Comparison: {', '.join(study.methods)}", lead, sections)


def _facts(report: ComparisonReport, study: Study) -> Facts:
    own = {f"{name} only": settings for name, settings in study.methods.items() if settings}
    bases = {
        one.cost["base"]["checkpoint"]: one.cost["base"]["sha256"] for one in report.entries if one.cost.get("base")
    }
    facts = {
        "Methods": ", ".join(study.methods),
        "Data sets": ", ".join(f"{name} ({data.overlay})" for name, data in study.sets.items()),
        "Folds": MODES[study.mode] if study.mode == "leave_one_out" else f"{study.folds}, {MODES[study.mode]}",
        "Seed": str(study.seed),
        **{f"SHA-256 of {name}": str(digest) for name, digest in bases.items()},
        **{name: json.dumps(json_value(settings)) for name, settings in {"Settings": study.ids, **own}.items()},
    }
    code = [name for name in facts if name.startswith("SHA-256") or name in {"Settings", *own}]
    return Facts({name: value for name, value in facts.items() if value not in ("", "{}")}, code)


def _cell(text: str) -> Cell:
    """An interval is written smaller than its figure."""
    figure, _, interval = text.partition(" [")
    return (figure, f"[{interval}") if interval else text


def _dice(summary: dict[str, dict[str, dict[str, dict[str, float]]]]) -> float:
    return summary["overall"]["metrics"]["dice"]["mean"]
