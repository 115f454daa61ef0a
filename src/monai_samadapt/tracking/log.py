"""What is written to one run, as far as its server answers."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_samadapt.passwords import without_password
from monai_samadapt.tracking.client import connect, experiment_id, find_run, short_waits
from monai_samadapt.tracking.location import failure, read_record, write_record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

LARGEST_BATCH = 1000
"""Metrics that a server takes in one request."""


class RunLog:
    """Logs to one MLflow run and never stops the program.

    Metrics are collected and sent in batches, by a thread of its own: a training does not wait for them. All else waits
    for the server, and comes after what was sent before. When the server fails, one line says so; metrics are kept, and
    sent the next time it answers.

    Attributes:
        run: the run as it was when this object was made; None as long as the server could not be reached.
        created: whether the run was made by this object.

    Args:
        uri: tracking server.
        experiment: name of the experiment.
        output_dir: folder of the training run, whose record is read and written.
        name: name of a new run.
        go_on: go on with the run of the record, where it is on this server.
        tags: of a new run.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        output_dir: str | os.PathLike[str],
        name: str,
        go_on: bool,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.uri, self.experiment, self.output_dir, self.name = uri, experiment, Path(output_dir), name
        self.go_on, self.tags = go_on, dict(tags or {})
        self.run: Run | None = None
        self.created = False
        self._client: MlflowClient | None = None
        self._waiting: list[Metric] = []
        self._failing = False
        self._worker = ThreadPoolExecutor(1, "mlflow")
        self._sending: Future[bool] | None = None
        self.attempt(self._open)

    def attempt(self, action: Callable[[], Any]) -> bool:
        """Do something at the server; False, with one line the first time, when that failed."""
        return self._worker.submit(self._attempt, action).result()

    def _attempt(self, action: Callable[[], Any]) -> bool:
        try:
            with short_waits():
                action()
        except Exception as error:
            if not self._failing:
                shown = without_password(self.uri)
                line = f"MLflow at {shown} fails, the run goes on without it: {failure(error, self.uri)}"
                print(line, file=sys.stderr, flush=True)
            self._failing = True
            return False
        self._failing = False
        return True

    def parameters(self, values: Mapping[str, str]) -> None:
        """Log parameters; one that a resumed run has with another value becomes the tag ``resumed.NAME``."""
        self.attempt(lambda: self._parameters(values))

    def metrics(self, values: Mapping[str, float], step: int, milliseconds: int | None = None) -> None:
        """Collect metrics of a step; a value that is no number (None) is left out, as is NaN."""
        from mlflow.entities import Metric

        now = round(1000 * time.time()) if milliseconds is None else milliseconds
        for name, value in values.items():
            if value is not None and not math.isnan(value):
                self._waiting.append(Metric(metric_name(name), float(value), now, step))

    def send(self, retry: bool = True) -> None:
        """Begin to send all metrics that wait; without ``retry`` not while the server is failing."""
        idle = self._sending is None or self._sending.done()
        if self._waiting and idle and (retry or not self._failing):
            self._sending = self._worker.submit(self._attempt, self._send)

    def files(self, paths: Iterable[Path], folder: str | None = None) -> None:
        """Upload files, and folders with what is in them, as far as they exist."""
        self.attempt(lambda: self._upload(paths, folder))

    def clear(self, folder: str) -> None:
        """Remove a folder of artefacts, before another version of it is uploaded."""
        self.attempt(lambda: self._clear(folder))

    def text(self, content: str, name: str) -> None:
        """Upload a text as a file."""
        self.attempt(lambda: self.client.log_text(self.run_id, content, name))

    def status(self, status: str) -> None:
        """Set ``RUNNING``, or ``FINISHED``, ``FAILED`` or ``KILLED``, which end the run after all metrics are sent."""
        if self._waiting and not self._failing:
            self.attempt(self._send)
        if status == "RUNNING":
            self.attempt(lambda: self.client.update_run(self.run_id, status))
        else:
            self.attempt(lambda: self.client.set_terminated(self.run_id, status))

    def last_step(self, metric: str) -> int:
        """The last step of a metric that the run had when it was opened; 0 for none."""
        history: list[Metric] = []
        if not self.created:
            self.attempt(lambda: history.extend(self.client.get_metric_history(self.run_id, metric)))
        return max((point.step for point in history), default=0)

    @property
    def run_id(self) -> str:
        """The id of the run, which is opened now if the server could not be reached before."""
        if self.run is None:
            self._open()
        assert self.run is not None
        return str(self.run.info.run_id)

    @property
    def client(self) -> MlflowClient:
        """The client of the server."""
        if self._client is None:
            self._client = connect(self.uri)
        return self._client

    def _open(self) -> None:
        record = read_record(self.output_dir) if self.go_on else {}
        self.run = find_run(self.client, record.get("run_id"))
        if self.run is None:
            experiment = experiment_id(self.client, self.uri, self.experiment)
            self.run = self.client.create_run(experiment, run_name=self.name, tags=self.tags)
            self.created = True
            write_record(self.output_dir, self.uri, self.experiment, self.run_id)

    def _parameters(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        run_id, known = self.run_id, self.client.get_run(self.run_id).data.params
        new = [Param(key, value) for key, value in values.items() if key not in known]
        changed = [RunTag(f"resumed.{key}", value) for key, value in values.items() if known.get(key, value) != value]
        self.client.log_batch(run_id, params=new, tags=changed)

    def _send(self) -> None:
        while batch := self._waiting[:LARGEST_BATCH]:
            self.client.log_batch(self.run_id, metrics=batch)
            del self._waiting[: len(batch)]  # others may have come meanwhile

    def _clear(self, folder: str) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        run_id = self.run_id
        assert self.run is not None
        if self.client.list_artifacts(run_id, folder):
            get_artifact_repository(self.run.info.artifact_uri, tracking_uri=self.uri).delete_artifacts(folder)

    def _upload(self, paths: Iterable[Path], folder: str | None) -> None:
        for path in paths:
            if path.is_dir():
                self.client.log_artifacts(self.run_id, str(path), folder)
            elif path.exists():
                self.client.log_artifact(self.run_id, str(path), folder)


def status_of(error: BaseException) -> str:
    """``KILLED`` for a run that its user interrupted, ``FAILED`` for one that an error ended."""
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


def metric_name(name: str) -> str:
    """The name with what MLflow does not allow replaced by ``_``."""
    return re.sub(r"[^\w\-. /:]", "_", name)
