"""An evaluation in the MLflow run of its training."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events

from monai_samadapt.prompts import MODES
from monai_samadapt.run_files import DESCRIPTION, SUMMARY
from monai_samadapt.tracking.config import config_text
from monai_samadapt.tracking.location import OFF, find_uri
from monai_samadapt.tracking.log import RunLog
from monai_samadapt.transforms.prompts import FILE_MODE


class MLflowEvaluation:
    """Logs the report of an evaluation to the run of the training, or to a new one where that was not tracked.

    Attach it after `ReportHandler`, whose folder it reads: ``SECTION/LABEL/METRIC`` is the mean over cases,
    ``SECTION/METRIC`` that over labels, both as in ``summary.json``; with a source of prompts other than none,
    ``SECTION/PROMPTS/…``. The folder is uploaded as ``evaluation/SECTION``, the configuration as
    ``config/evaluate_SECTION.json``.

    Args:
        output_dir: folder of the training run.
        report_dir: folder of the report.
        section: part of the data that is evaluated.
        tracking_uri, experiment: as in `MLflowTracking`.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        report_dir: str | os.PathLike[str],
        section: str = "test",
        tracking_uri: str | None = None,
        experiment: str = "monai_samadapt",
    ) -> None:
        self.output_dir, self.report_dir, self.section = Path(output_dir), Path(report_dir), section
        self.tracking_uri, self.experiment = tracking_uri, experiment
        self.config = None if tracking_uri == OFF else config_text()

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        if self.tracking_uri != OFF:
            engine.add_event_handler(Events.COMPLETED, self.complete)

    def complete(self, engine: Engine) -> None:
        """Log metrics, files and configuration, once every process has drawn its pictures."""
        idist.barrier()
        if idist.get_rank() != 0:
            return
        uri = find_uri(self.tracking_uri, self.output_dir, go_on=True)
        log = RunLog(uri, self.experiment, self.output_dir, self._name(), go_on=True)
        summary = json.loads((self.report_dir / SUMMARY).read_text(encoding="utf-8"))
        log.metrics(summary_metrics(summary, self.section), step=0)
        log.send()
        log.clear(f"evaluation/{self.section}")
        log.files([self.report_dir], f"evaluation/{self.section}")
        if self.config is not None:
            log.text(self.config, f"config/evaluate_{self.section}.json")
        if log.created:
            log.status("FINISHED")

    def _name(self) -> str:
        try:
            method = json.loads((self.output_dir / DESCRIPTION).read_text(encoding="utf-8"))["method"]
        except (OSError, ValueError, KeyError):
            method = "evaluation"
        return f"{method} {self.output_dir.resolve().name}"


def summary_metrics(summary: Mapping[str, Any], section: str) -> dict[str, float]:
    """The means of ``summary.json`` by the name of their metric; those that are not defined are left out."""
    found: dict[str, float] = {}
    for part in (summary, *summary.get("other_prompts", [])):
        prompts = part["prompts"].split(" ")[0]
        start = section if prompts == "none" else f"{section}/{prompts}"
        levels = zip(_levels(part["labels"]), part["labels"].values(), strict=True)
        groups = {start: part["overall"]} | {f"{start}/{level}": own for level, own in levels}
        for prefix, group in groups.items():
            found |= {f"{prefix}/{name}": figure["mean"] for name, figure in group["metrics"].items()}
    return {name: value for name, value in found.items() if value is not None}


def _levels(labels: Iterable[str]) -> list[str]:
    """Each label's name as one level of a metric's name, which no other and no source of prompts has."""
    levels: list[str] = []
    for label in labels:
        level = re.sub(r"[^\w\-. ]", "_", label)
        while level in (*levels, *MODES, FILE_MODE):
            level += "_"
        levels.append(level)
    return levels
