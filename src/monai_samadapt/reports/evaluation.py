"""The report of an evaluation as one HTML file, from the files of its folder and of the training run."""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.metrics.aggregate import by_prompts
from monai_samadapt.metrics.case import OF_IMAGE
from monai_samadapt.reports.cases import read_cases
from monai_samadapt.reports.extremes import case_score, case_title
from monai_samadapt.reports.figures import image_table, summary_table
from monai_samadapt.reports.keeper import find_overlays, overlay_name
from monai_samadapt.reports.page import Facts, Folded, Part, Picture, Section, write_page
from monai_samadapt.reports.plots import distributions, training_curves
from monai_samadapt.run_files import CASES, DESCRIPTION, HISTORY, MANIFEST, REPORT, SUMMARY

Rows = Sequence[Mapping[str, Any]]


def write_report(run_dir: Path, report_dir: Path) -> None:
    """Write ``report.html`` into the folder of an evaluation.

    Args:
        run_dir: folder of the training run, for ``adapter.json``, ``history.csv`` and ``manifest.json``; what is
            missing there is left out.
        report_dir: folder of the evaluation: ``cases.csv``, ``summary.json``, ``manifest.json``, ``overlays``.

    Raises:
        SamAdaptError: when tables are missing or of another version.
    """
    rows = by_prompts(read_cases(report_dir / CASES))
    first = _read_json(report_dir / SUMMARY)
    if not first or not rows:
        raise SamAdaptError("report_dir", str(report_dir), "holds no cases", "evaluate the run first")
    summaries = [first, *first["other_prompts"]]
    manifests = {
        "evaluation": _read_json(report_dir / MANIFEST),
        "training": _read_json(run_dir / MANIFEST),
    }
    about = _read_json(run_dir / DESCRIPTION)
    sections = [Section("Run", [_facts(about, manifests, summaries)])]
    overlays = find_overlays(report_dir / "overlays")
    sections += [_results(summary, rows[summary["prompts"]], overlays) for summary in summaries]
    if history := _read_history(run_dir / HISTORY):
        sections.append(Section("Training", [_curves(history)]))
    folded = [Folded(f"Manifest of the {name}", json.dumps(part, indent=2)) for name, part in manifests.items() if part]
    if folded:
        sections.append(Section("Manifest", folded))
    title = f"{about.get('method', 'Evaluation')}: {', '.join(first['labels'])}"
    date = _date(manifests["evaluation"].get("ended"))
    lead = f"{first['cases']} cases{f', evaluated {date}' if date else ''}. For research; not a medical device."
    write_page(report_dir / REPORT, title, lead, sections)


def _facts(about: Mapping[str, Any], manifests: Mapping[str, Any], summaries: Rows) -> Facts:
    training, evaluation = manifests["training"], manifests["evaluation"]
    base, counted, data = (about.get("base") or {}), training.get("parameters", {}), evaluation.get("data", {})
    section = ", ".join(f"{count} of section {name}" for name, count in data.get("items", {}).items())
    settings = about.get("preprocessing", {})
    facts = {
        "Method": about.get("method"),
        "Base weights": base.get("checkpoint"),
        "Base SHA-256": base.get("sha256"),
        "Trained": counted and f"{counted['trainable']:,} parameters, {counted['trainable_percent']:.3g} % of the base",
        "Data": section and f"{section}; SHA-256 {data['sha256']}",
        "Images": settings and f"{settings['modality']}, {settings['image_size']} px",
        "Prompts": "; ".join(part["prompts"] for part in summaries),
        "Cases": str(summaries[0]["cases"]),
        "Weights file": evaluation.get("model_file"),
        "Seed": str(summaries[0]["seed"]),
        "NSD tolerance": evaluation.get("nsd_tolerance") and f"{evaluation['nsd_tolerance']:g} {summaries[0]['unit']}",
        "Date": _date(evaluation.get("ended")),
        "Command": command_line(evaluation.get("command", "")),
    }
    return Facts({name: str(value) for name, value in facts.items() if value}, code=("Base SHA-256", "Command"))


def _results(summary: Mapping[str, Any], rows: Rows, overlays: Sequence[Path]) -> Section:
    """Tables, distributions and pictures of one source of prompts."""
    prompts = summary["prompts"]
    parts: list[Part | Section] = [summary_table(summary)]
    if any(math.isfinite(row["dice"]) for row in rows):
        labels = ", ".join(f"{name} {part['metrics']['dice']['median']:.3f}" for name, part in _scored(summary))
        alt = f"Dice and HD95 of each case by label. Median Dice: {labels}."
        parts.append(Picture(distributions(rows), alt, "Every case: points; quartiles: grey bar; median: line."))
    if any(row[name] != row[f"{name}_image"] for row in rows for name in OF_IMAGE if math.isfinite(row[name])):
        parts.append(image_table(summary))
    titles = _titles(rows)
    for title, prefix in (("Worst cases", ""), ("Best cases", "best_")):
        pictures = [_overlay(path, titles[name]) for path in overlays if (name := _case_of(path, prefix)) in titles]
        parts += [Section(title, pictures)] if pictures else []
    return Section("Results" if prompts == "none" else f"Results, prompts: {prompts}", parts)


def _scored(summary: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, part) for name, part in summary["labels"].items() if part["metrics"]["dice"]["n"]]


def _titles(rows: Rows) -> dict[str, str]:
    """The title of each case by the name of its picture."""
    cases: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        cases.setdefault(row["file"], []).append(row)
    return {overlay_name(case_score(own), own[0]["case"], own[0]["prompts"]): case_title(own) for own in cases.values()}


def _case_of(path: Path, prefix: str) -> str:
    """The name of a picture without prefix and place, empty where it has another prefix."""
    found = re.fullmatch(rf"{prefix}\d\d_(.+)", path.name)
    return found[1] if found else ""


def _overlay(path: Path, title: str) -> Picture:
    return Picture(path.read_bytes(), f"{title}. Image, truth as lines and prediction as fill, errors.")


def _curves(history: Rows) -> Picture:
    last = history[-1]
    values = [row["val_mean_dice"] for row in history if math.isfinite(row.get("val_mean_dice", math.nan))]
    best = f", best validation Dice {max(values):.3f}" if values else ""
    alt = f"Training curves over {last['epoch']:.0f} epochs: loss {history[0]['loss']:.3f} to {last['loss']:.3f}{best}."
    return Picture(training_curves(history), alt, "Mean loss of each epoch and its terms.")


def command_line(command: str) -> str:
    """A command as it was typed: ``python -m monai.bundle run …``, not the module's file."""
    words = shlex.split(command)
    parts = Path(words[0]).parts if words else ()
    if parts[-1:] == ("__main__.py",):
        module = "monai.bundle" if parts[-3:-1] == ("monai", "bundle") else parts[-2]
        words = ["python", "-m", module, *words[1:]]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    """A list of files in double quotes, which are easier to read around single ones."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)


def _date(text: str | None) -> str:
    return "" if not text else text.replace("T", " ").replace("+00:00", " UTC")


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def _read_history(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(stream)]
