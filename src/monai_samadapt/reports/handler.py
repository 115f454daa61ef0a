"""Writes the report of an evaluation from within the engine."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray

from monai_samadapt.metrics import SegmentationMetrics
from monai_samadapt.metrics.aggregate import by_prompts
from monai_samadapt.metrics.case import Row
from monai_samadapt.metrics.segmentation import source_file
from monai_samadapt.reports.cases import write_cases
from monai_samadapt.reports.summary import summarise, write_summary
from monai_samadapt.reports.table import format_table
from monai_samadapt.reports.worst import KeptCase, WorstCases, case_score, draw_case, keep_case
from monai_samadapt.transforms import DataSpec

_OVERLAYS = "[0-9][0-9]_dice*.png"


class ReportHandler:
    """Writes ``cases.csv``, ``summary.json`` and ``overlays/``, worst cases first, and prints a table.

    Each source of prompts has its own figures and table.

    Only slices of the worst cases so far are held; their images are read again at the end. Overlays of an earlier
    report in the same folder are removed. With several processes the first one writes the tables, and each draws the
    cases it has seen.

    Args:
        output_dir: folder of the report.
        metrics: the metric that is attached to the same engine.
        data: the settings of the data: labels, reader and window.
        max_overlays: number of overlay pictures, up to 100.
        seed: seed of the bootstrap intervals.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        metrics: SegmentationMetrics,
        data: DataSpec,
        max_overlays: int = 8,
        seed: int = 0,
    ) -> None:
        self.output_dir, self.metrics, self.data = Path(output_dir), metrics, data
        self.seed = seed
        self.worst = WorstCases(min(max_overlays, 100))

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator that has the metric already, as MONAI's evaluators do with their handlers."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._keep)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _start(self) -> None:
        self.worst = WorstCases(self.worst.limit)

    def _keep(self, engine: Engine) -> None:
        for case, rows in zip(self.metrics.cases(engine.state.output), self.metrics.last_rows, strict=True):
            self.worst.offer(case_score(rows), partial(_kept, case, rows))

    def _write(self) -> None:
        rows = self.metrics.rows
        names = {row["file"]: row["case"] for row in rows}
        if idist.get_rank() == 0:
            write_cases(rows, self.output_dir / "cases.csv")
            first, *others = (summarise(part, self.seed, prompts=name) for name, part in by_prompts(rows).items())
            write_summary(first | {"other_prompts": others}, self.output_dir / "summary.json")
            for old in (self.output_dir / "overlays").glob(_OVERLAYS):
                old.unlink()
            tables = "\n\n".join(format_table(summary) for summary in (first, *others))
            print(tables, f"Report in {self.output_dir}", sep="\n", flush=True)
        self._draw(names)

    def _draw(self, names: dict[str, str]) -> None:
        own = {(case.score, case.file, case.prompts): case for case in self.worst.cases}
        gathered: Any = idist.all_gather(list(own))
        ranked = sorted({tuple(entry) for part in gathered for entry in part})
        for place, (score, file, prompts) in enumerate(ranked[: self.worst.limit]):
            if case := own.get((score, file, prompts)):
                name = _file_name(place, score, names[file], prompts)
                draw_case(case, self.output_dir / "overlays" / name, self.data)


def _kept(case: Mapping[str, Any], rows: Sequence[Row]) -> KeptCase:
    label, pred = case["label"], case["pred"]
    affine = label.affine.numpy(force=True) if isinstance(label, MetaTensor) else np.eye(4)
    return keep_case(rows, _array(label), _array(pred), affine, source_file(case))


def _array(labels: Any) -> NDArray[np.uint8]:
    return np.asarray(torch.as_tensor(labels).cpu()).astype(np.uint8)


def _file_name(place: int, score: float, case: str, prompts: str) -> str:
    stem = re.sub(r"(\.nii\.gz|\.\w+)( \(\d+\))?$", r"\2", case)
    dice = "empty" if math.isinf(score) else f"{score:.3f}"
    source = "" if prompts == "none" else f" {prompts.split(' ')[0]}"
    return f"{place:02d}_dice{dice}_{re.sub(r'[^A-Za-z0-9.-]+', '_', stem + source).strip('_')}.png"
