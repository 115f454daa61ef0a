"""One training run: what it trains, saves, resumes from and prints."""

from __future__ import annotations

import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from monai_samadapt.engines.artefacts import write_adapter, write_history, write_model
from monai_samadapt.engines.checkpoint import Checkpoint
from monai_samadapt.engines.history import History
from monai_samadapt.engines.seeds import seed_epoch
from monai_samadapt.errors import exits_in_one_line
from monai_samadapt.files import atomic_path, remove_leftovers
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.processes import all_items
from monai_samadapt.reports import write_manifest
from monai_samadapt.run_files import CHECKPOINT, MANIFEST, MODEL
from monai_samadapt.transforms import DataSpec

if TYPE_CHECKING:
    from monai_samadapt.tracking import MLflowTracking


class TrainingRun:
    """A handler of the trainer that owns the artefacts of ``output_dir``.

    After each epoch it prints a line, saves ``checkpoint_last.pt`` and, when the validation metric improved (or there
    is no validation), ``adapter.safetensors``, ``adapter.json`` and ``model.pt``. Each file is complete or absent.
    Every epoch draws from ``seed + epoch``, so that a resumed run equals an uninterrupted one. Of several processes the
    first one saves.

    Args:
        network: trained network.
        optimizer, scheduler: stepped by this handler (the scheduler) and saved.
        evaluator: the validation engine whose ``metric`` selects the best epoch; attach this handler after its own.
        data_spec: written into ``adapter.json``.
        output_dir: folder of the artefacts.
        metric: name of the metric; higher is better.
        seed: of the run.
        resume: go on from ``checkpoint_last.pt`` of ``output_dir`` if it is there.
        patience: stop after this many epochs without improvement; 0 never stops.
        amp_dtype: with ``bfloat16`` no gradient scaling is done.
        tracking: logs the run, see `MLflowTracking`.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        optimizer: Optimizer,
        scheduler: LRScheduler,
        evaluator: Engine,
        data_spec: DataSpec,
        output_dir: str,
        metric: str = "val_mean_dice",
        seed: int = 0,
        resume: bool = False,
        patience: int = 0,
        amp_dtype: str = "bfloat16",
        tracking: MLflowTracking | None = None,
    ) -> None:
        self.network, self.optimizer, self.scheduler, self.evaluator = network, optimizer, scheduler, evaluator
        self.data_spec, self.output_dir, self.metric = data_spec, Path(output_dir), metric
        self.seed, self.resume, self.patience, self.amp_dtype = seed, resume, patience, amp_dtype
        self.tracking = tracking
        self.history = History()
        self.best: tuple[float, int] = (float("-inf"), 0)
        self._checkpoint = Checkpoint(network, optimizer, scheduler, data_spec)
        self._started = datetime.now(timezone.utc)

    def attach(self, engine: Engine) -> None:
        """Follow a trainer; validation must have been attached before."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.finish_step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.finish_epoch)
        engine.add_event_handler(Events.COMPLETED, lambda: _say(f"weights: {self.output_dir / MODEL}"))
        # else each validation case would switch to evaluation and back, and adapters would be merged for each
        self.evaluator.add_event_handler(Events.EPOCH_STARTED, self.network.eval)
        if self.tracking is not None:
            self.tracking.attach(engine, self)

    def start(self, engine: Engine) -> None:
        """Print what is trained, and restore the last checkpoint when asked."""
        if getattr(engine, "accumulation_steps", 1) > 1:  # the schedule goes on with every batch
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        _say(self.network.start_report())
        idist.barrier()  # no process is writing any more
        if idist.get_rank() == 0:
            remove_leftovers(self.output_dir)
        if getattr(engine, "scaler", None) is not None and self.amp_dtype == "bfloat16":
            engine.scaler = torch.amp.GradScaler("cuda", enabled=False)  # type: ignore[attr-defined]
        path = self.output_dir / CHECKPOINT
        if self.resume and path.is_file():
            self._restore(engine, path)
        elif self.resume:
            _say(f"nothing to resume in {self.output_dir}: starts at epoch 1")

    def start_epoch(self, engine: Engine) -> None:
        """Seed every source of chance with ``seed + epoch``."""
        seed_epoch(engine, self.seed)
        self.history.start_epoch()

    def finish_step(self, engine: Engine) -> None:
        """Step the schedule and add up the losses."""
        self.scheduler.step()
        self.history.add_step(engine)

    def items(self, engine: Engine) -> dict[str, list[dict[str, Any]]]:
        """The items of each section."""
        loaders = {"training": engine.state.dataloader, "validation": getattr(self.evaluator, "data_loader", None)}
        return {name: all_items(getattr(loader, "dataset", None)) for name, loader in loaders.items()}

    def finish_epoch(self, engine: Engine) -> None:
        """Log, save and decide whether to stop."""
        epoch = engine.state.epoch
        validated = self.evaluator.state.epoch == epoch and self.metric in self.evaluator.state.metrics
        measured = {self.metric: float(self.evaluator.state.metrics[self.metric])} if validated else {}
        row = self.history.finish_epoch(
            engine, float(self.scheduler.get_last_lr()[0]), self.network.figures() | measured
        )
        improved = self._improves(engine, row.get(self.metric))
        values = " ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")
        _say(f"epoch {epoch}/{engine.state.max_epochs} {values}")
        if idist.get_rank() == 0:
            self._save(engine, improved)
        if self.patience and validated and self.best[1] and epoch - self.best[1] >= self.patience:
            _say(f"stopped early: no better {self.metric} than {self.best[0]:.4f} of epoch {self.best[1]}")
            engine.terminate()

    def _improves(self, engine: Engine, value: float | None) -> bool:
        """Whether this epoch's weights are the ones to keep; without any validation the latest are."""
        if value is not None and value > self.best[0]:
            self.best = (value, engine.state.epoch)
            return True
        validates = len(self.evaluator.data_loader) > 0  # type: ignore[attr-defined]
        return not validates or (self.best[1] == 0 and engine.state.epoch == engine.state.max_epochs)

    def _save(self, engine: Engine, improved: bool) -> None:
        """Write the checkpoint last: a run killed before it repeats the epoch, and writes the same files again."""
        if improved:
            best = {"seed": self.seed, "best": self.history.rows[-1]}
            write_adapter(self.output_dir, self.network, self.data_spec, best)
            write_model(self.output_dir, self.network)
        write_history(self.output_dir, self.history.rows)
        self._write_manifest(engine)
        with atomic_path(self.output_dir / CHECKPOINT) as temporary:
            torch.save(self._checkpoint.state(engine, self.best, self.history.rows), temporary)

    def _write_manifest(self, engine: Engine) -> None:
        report = self.network.parameter_report()
        write_manifest(
            self.output_dir / MANIFEST,
            self._started,
            device=getattr(engine.state, "device", "cpu"),
            datalist=self.items(engine),
            parameters={"trainable": report.trainable, "base": report.base, "trainable_percent": report.percentage},
            method=self.network.method,
            base=self.network.base_record,
            seed=self.seed,
            epochs=engine.state.epoch,
            best={"epoch": self.best[1], self.metric: self.best[0] if self.best[1] else None},
        )

    @exits_in_one_line
    def _restore(self, engine: Engine, path: Path) -> None:
        self.best, self.history.rows = self._checkpoint.restore(engine, path)
        _say(f"resumed after epoch {engine.state.epoch} of {path}")


def _say(text: str) -> None:
    if idist.get_rank() == 0:
        print(text, flush=True)
