"""A training run in MLflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from monai_samadapt.engines.history import step_losses
from monai_samadapt.passwords import without_password
from monai_samadapt.run_files import ADAPTER, DESCRIPTION, HISTORY, KEPT, MANIFEST
from monai_samadapt.tracking.config import config_text
from monai_samadapt.tracking.location import OFF, find_uri
from monai_samadapt.tracking.log import RunLog, status_of
from monai_samadapt.tracking.measures import Steps, peak_memory
from monai_samadapt.tracking.parameters import run_parameters

if TYPE_CHECKING:
    from monai_samadapt.engines.run import TrainingRun
    from monai_samadapt.reports import CaseKeeper

ARTEFACTS = (ADAPTER, DESCRIPTION, HISTORY, MANIFEST, KEPT)


class MLflowTracking:
    """Logs a training to one MLflow run; `TrainingRun` attaches it after itself.

    Logged are the parameters of `run_parameters`; ``step/loss``, ``step/loss_TERM`` for each of the loss's terms and
    ``step/learning_rate`` of each step; after each epoch its line of ``history.csv`` and the validation metrics as
    ``epoch/NAME``, ``epoch/seconds_per_step`` (of the training steps with their loading, without validation) and
    ``epoch/peak_memory_gib`` (CUDA: the most its allocator had given out; else of the process); at the end the files of
    ``ARTEFACTS`` and the configuration as run, ``config/train.json``. After each validation that was the best so far,
    pictures of its worst cases go to ``overlays/epoch_NNNN``.

    Losses are read in batches: no step waits for the device. A failing server never stops a training, see `RunLog`. A
    resumed training goes on with its run, without repeating the steps and epochs that are there. Only the first of
    several processes logs.

    MONAI's ``MLFlowHandler`` is not used: it reads the loss and writes to the server in every step, ends a training
    when the server fails, and starts another run on resuming.

    Args:
        tracking_uri: see `find_uri`; ``off`` logs nothing.
        experiment: name of the experiment.
        parameters: ids to log beside those that the network knows.
        overlays: keeps the worst cases of the validation; it is attached to the run's evaluator by the configuration.
        every: steps between two batches of metrics.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        experiment: str = "monai_samadapt",
        parameters: Mapping[str, Any] | None = None,
        overlays: CaseKeeper | None = None,
        every: int = 100,
    ) -> None:
        self.tracking_uri, self.experiment = tracking_uri, experiment
        self.settings, self.overlays, self.every = dict(parameters or {}), overlays, every
        self.config = None if tracking_uri == OFF else config_text()
        self.logged_step = self.logged_epoch = 0
        self._steps = Steps()
        self._learning_rate = self._epoch_start = self._last_step = 0.0

    def attach(self, engine: Engine, run: TrainingRun) -> None:
        """Follow a trainer whose artefacts and history are those of ``run``."""
        if self.tracking_uri == OFF or idist.get_rank() != 0:
            return
        self.run = run
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(Events.ITERATION_STARTED, self.start_step)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.finish_step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.finish_epoch)
        engine.add_event_handler(Events.COMPLETED, self.complete)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.break_off)

    def start(self, engine: Engine) -> None:
        """Open the run and log what is known before the first step."""
        network, output_dir = self.run.network, self.run.output_dir
        uri = find_uri(self.tracking_uri, output_dir, self.run.resume)
        name = f"{network.method} {output_dir.resolve().name}"
        self.log = RunLog(uri, self.experiment, output_dir, name, self.run.resume)
        data = self.run.items(engine)
        self.log.parameters(run_parameters(network, self.run.data_spec, data, self.settings))
        self.log.status("RUNNING")
        if self.config is not None:
            self.log.text(self.config, "config/train.json")
        self.logged_step, self.logged_epoch = self.log.last_step("step/loss"), self.log.last_step("epoch/loss")
        print(f"MLflow: run {name!r} of experiment {self.experiment!r} at {without_password(uri)}", flush=True)

    def start_epoch(self, engine: Engine) -> None:
        """Start the clock."""
        self._epoch_start = self._last_step = time.perf_counter()

    def start_step(self, engine: Engine) -> None:
        """Remember the learning rate this step is made with; the schedule moves on after it."""
        self._learning_rate = float(self.run.optimizer.param_groups[0]["lr"])

    def finish_step(self, engine: Engine) -> None:
        """Remember the losses on the device, and send those of ``every`` steps at once."""
        self._last_step = time.perf_counter()
        step = engine.state.iteration
        if step > self.logged_step:
            now = round(1000 * time.time())
            for name, value in step_losses(engine).items():
                self._steps.add(f"step/{name}", value, step, now)
            self.log.metrics({"step/learning_rate": self._learning_rate}, step, now)
        if step % self.every == 0:
            self._send(retry=False)

    def finish_epoch(self, engine: Engine) -> None:
        """Log the epoch, and those before it that a killed run had saved but not logged."""
        for row in self.run.history.rows:
            if row["epoch"] > self.logged_epoch:
                values = {f"epoch/{name}": value for name, value in row.items() if name != "epoch"}
                values |= self._measured(engine) if row["epoch"] == engine.state.epoch else {}
                self.log.metrics(values, int(row["epoch"]))
        if self.overlays is not None and self.run.best[1] == engine.state.epoch > self.logged_epoch:
            self._log_overlays(self.overlays, engine.state.epoch)
        self.logged_epoch = max(self.logged_epoch, engine.state.epoch)
        self._send()

    def _log_overlays(self, overlays: CaseKeeper, epoch: int) -> None:
        with TemporaryDirectory() as folder:
            overlays.draw(Path(folder), all_processes=False)
            self.log.files([Path(folder)], f"overlays/epoch_{epoch:04d}")

    def complete(self, engine: Engine) -> None:
        """Send the rest, upload the artefacts and end the run."""
        self._end("FINISHED")

    def break_off(self, engine: Engine, error: BaseException) -> None:
        """End the run as killed or failed, and let the error go on."""
        if hasattr(self, "log"):
            self._end(status_of(error))
        raise error

    def _end(self, status: str) -> None:
        self._send()
        self.log.files(self.run.output_dir / name for name in ARTEFACTS)
        self.log.status(status)

    def _send(self, retry: bool = True) -> None:
        for name, step, milliseconds, value in self._steps.take():
            self.log.metrics({name: value}, step, milliseconds)
        self.log.send(retry)

    def _measured(self, engine: Engine) -> dict[str, float]:
        seconds = (self._last_step - self._epoch_start) / (engine.state.epoch_length or 1)
        device = torch.device(getattr(engine.state, "device", "cpu"))
        state = self.run.evaluator.state
        found = state.metrics if state.epoch == engine.state.epoch else {}
        metrics = {f"epoch/{name}": float(value) for name, value in found.items() if isinstance(value, (int, float))}
        return {"epoch/seconds_per_step": seconds, "epoch/peak_memory_gib": peak_memory(device) / 2**30, **metrics}
