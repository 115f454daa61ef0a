"""A comparison in MLflow: one parent run, and a run for each cell below it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai_samadapt.compare.cell import Cell
from monai_samadapt.compare.report import ComparisonReport
from monai_samadapt.compare.study import Study
from monai_samadapt.reports.jsonfile import json_value
from monai_samadapt.tracking.evaluation import summary_metrics
from monai_samadapt.tracking.location import OFF, find_uri
from monai_samadapt.tracking.log import RunLog, status_of
from monai_samadapt.tracking.parameters import parameter_text
from monai_samadapt.tracking.preflight import preflight_tracking

PARENT = "mlflow.parentRunId"


class CompareLog:
    """Logs a comparison; a comparison that goes on goes on with its runs.

    The parent has the settings as parameters, ``TEST SET/METHOD/LABEL/METRIC`` as metrics, tables and plot as
    artefacts. A cell's run is made before the cell, which then logs to it.

    Args:
        tracking_uri: as in `MLflowTracking`, by default ``mlflow.db`` in the comparison's folder; ``off`` logs nothing.
        experiment: name of the experiment.
        output: folder of the comparison.
    """

    def __init__(self, tracking_uri: str | None, experiment: str, output: Path) -> None:
        preflight_tracking(tracking_uri, experiment, output / "cells", go_on=False)
        self.uri = tracking_uri if tracking_uri == OFF else find_uri(tracking_uri, output / "cells", go_on=False)
        self.experiment, self.output = experiment, output
        self.log: RunLog | None = None

    @property
    def ids(self) -> dict[str, Any]:
        """The ids that send a cell to the same place."""
        return {"tracking_uri": self.uri, "experiment": self.experiment}

    def start(self, study: Study) -> None:
        """Open the parent."""
        if self.uri == OFF:
            return
        self.log = RunLog(str(self.uri), self.experiment, self.output, f"compare {self.output.name}", go_on=True)
        self.log.status("RUNNING")
        settings = {**study.ids, "mode": study.mode, "folds": study.folds, "seed": study.seed}
        settings |= {"sets": list(study.sets), "methods": json_value(study.methods)}
        self.log.parameters({key: parameter_text(value) for key, value in settings.items()})

    def open(self, cell: Cell) -> RunLog | None:
        """Make the run of a cell, or find it again."""
        if self.log is None:
            return None
        tags = {} if self.log.run is None else {PARENT: self.log.run_id}
        return RunLog(str(self.uri), self.experiment, cell.folder, cell.title, go_on=True, tags=tags)

    def stop(self, error: BaseException) -> None:
        """End the parent of a comparison that was interrupted or failed; one that goes on opens it again."""
        if self.log is not None:
            self.log.status(status_of(error))

    def finish(self, report: ComparisonReport, paths: list[Path], complete: bool) -> None:
        """Log the figures and files, and end the parent."""
        if self.log is None:
            return
        for entry in report.entries:
            found = summary_metrics({**entry.summary, "prompts": "none"}, f"{entry.test_set}/{entry.column}")
            self.log.metrics(found, step=0)
        self.log.send()
        self.log.files(paths)
        self.log.status("FINISHED" if complete else "FAILED")
