"""Writes the report of an evaluation from within the engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events

from monai_samadapt.datasets.fingerprint import data_fingerprint
from monai_samadapt.datasets.split import PATH_KEYS
from monai_samadapt.files import sha256
from monai_samadapt.metrics import SegmentationMetrics
from monai_samadapt.metrics.aggregate import by_prompts
from monai_samadapt.processes import all_items
from monai_samadapt.reports.cases import write_cases
from monai_samadapt.reports.evaluation import write_report
from monai_samadapt.reports.keeper import CaseKeeper, find_overlays
from monai_samadapt.reports.manifest import write_manifest
from monai_samadapt.reports.summary import summarise, write_summary
from monai_samadapt.reports.table import format_table
from monai_samadapt.run_files import CASES, MANIFEST, REPORT, SUMMARY
from monai_samadapt.transforms import DataSpec


class ReportHandler:
    """Writes ``report.html``, ``cases.csv``, ``summary.json``, ``manifest.json`` and ``overlays/``, and prints a table.

    Each source of prompts has its own figures and table.

    Only slices of the worst and best cases so far are held; their images are read again at the end. Overlays of an
    earlier report in the same folder are removed. With several processes the first one writes the tables and the page,
    and each draws the cases it has seen.

    Args:
        output_dir: folder of the report.
        metrics: the metric that is attached to the same engine.
        data: the settings of the data: labels, reader and window.
        max_overlays: number of overlay pictures of the worst cases, up to 100.
        best_overlays: number of those of the best cases.
        seed: seed of the bootstrap intervals.
        run_dir: folder of the training run, whose history and description the page shows.
        record: what else the manifest of the evaluation shall hold, e.g. ``section`` and ``model_file``.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        metrics: SegmentationMetrics,
        data: DataSpec,
        max_overlays: int = 8,
        best_overlays: int = 3,
        seed: int = 0,
        run_dir: str | os.PathLike[str] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        self.output_dir, self.metrics = Path(output_dir), metrics
        self.seed, self.run_dir, self.record = seed, Path(run_dir or output_dir), dict(record or {})
        self.keeper = CaseKeeper(metrics, data, max_overlays, best_overlays)
        self._started = datetime.now(timezone.utc)

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator that has the metric already, as MONAI's evaluators do with their handlers."""
        self.keeper.attach(engine)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _write(self, engine: Engine) -> None:
        overlays = self.output_dir / "overlays"
        if idist.get_rank() == 0:
            self._write_tables()
            self._write_manifest(engine)
            for old in find_overlays(overlays):
                old.unlink()
        idist.barrier()
        self.keeper.draw(overlays)
        idist.barrier()
        if idist.get_rank() == 0:
            write_report(self.run_dir, self.output_dir)
            print(f"Report: {self.output_dir / REPORT}", flush=True)

    def _write_tables(self) -> None:
        rows = self.metrics.rows
        write_cases(rows, self.output_dir / CASES)
        first, *others = (summarise(part, self.seed, prompts=name) for name, part in by_prompts(rows).items())
        write_summary(first | {"other_prompts": others}, self.output_dir / SUMMARY)
        print("\n\n".join(format_table(summary) for summary in (first, *others)), flush=True)

    def _write_manifest(self, engine: Engine) -> None:
        items = all_items(getattr(engine.state.dataloader, "dataset", None))
        section, model = str(self.record.get("section", "evaluation")), Path(str(self.record.get("model_file", "")))
        record = self.record | ({"model_sha256": sha256(model)} if model.is_file() else {})
        files = {str(item["image"]): {key: item.get(key) for key in PATH_KEYS} for item in items}
        write_manifest(
            self.output_dir / MANIFEST,
            self._started,
            device=getattr(engine.state, "device", "cpu"),
            data={"items": {section: len(files)}, "sha256": data_fingerprint({section: list(files.values())})},
            seed=self.seed,
            **record,
        )
