"""One training run: what it trains, saves, resumes from and prints."""

from __future__ import annotations

import random
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from monai_samadapt.engines.artefacts import write_adapter, write_history, write_model
from monai_samadapt.engines.checkpoint import CHECKPOINT, check_checkpoint, read_checkpoint, run_settings
from monai_samadapt.errors import exits_in_one_line
from monai_samadapt.files import atomic_path, remove_leftovers
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.reports import write_manifest
from monai_samadapt.transforms import DataSpec

if TYPE_CHECKING:
    from monai_samadapt.tracking import MLflowTracking


class TrainingRun:
    """A handler of the trainer that owns the artefacts of ``output_dir``.

    After each epoch it prints a line, saves ``checkpoint_last.pt`` and, when the validation metric improved (or there
    is no validation), ``adapter.safetensors``, ``adapter.json`` and ``model.pt``. Each file is complete or absent.
    Every epoch draws from ``seed + epoch``, so that a resumed run equals an uninterrupted one.

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
        self.history: list[dict[str, float]] = []
        self.best: tuple[float, int] = (float("-inf"), 0)
        self._loss_sums: dict[str, Tensor] = {}
        self._epoch_start = 0.0
        self._started = datetime.now(timezone.utc)

    def attach(self, engine: Engine) -> None:
        """Follow a trainer; validation must have been attached before."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.finish_step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.finish_epoch)
        # else each validation case would switch to evaluation and back, and adapters would be merged for each
        self.evaluator.add_event_handler(Events.EPOCH_STARTED, self.network.eval)
        if self.tracking is not None:
            self.tracking.attach(engine, self)

    def start(self, engine: Engine) -> None:
        """Print what is trained, and restore the last checkpoint when asked."""
        _say(self.network.start_report())
        if idist.get_rank() == 0:
            remove_leftovers(self.output_dir)
        if getattr(engine, "scaler", None) is not None and self.amp_dtype == "bfloat16":
            engine.scaler = torch.amp.GradScaler("cuda", enabled=False)  # type: ignore[attr-defined]
        path = self.output_dir / CHECKPOINT
        if self.resume and path.is_file():
            self._restore(engine, path)

    def start_epoch(self, engine: Engine) -> None:
        """Seed every source of chance with ``seed + epoch``."""
        seed = self.seed + engine.state.epoch
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        transform: Any = getattr(getattr(engine.state.dataloader, "dataset", None), "transform", None)
        if hasattr(transform, "set_random_state"):
            transform.set_random_state(seed)
        self._loss_sums, self._epoch_start = {}, time.perf_counter()

    def finish_step(self, engine: Engine) -> None:
        """Step the schedule and add up the losses on the device."""
        self.scheduler.step()
        self._loss_sums = {name: value + self._loss_sums.get(name, 0.0) for name, value in self.losses(engine).items()}

    def losses(self, engine: Engine) -> dict[str, Tensor]:
        """The loss of the last step, and its ``terms`` where it has some, on the device."""
        output: Any = engine.state.output
        terms: dict[str, Tensor] = getattr(getattr(engine, "loss_function", None), "terms", {})
        return {"loss": output["loss"].detach()} | {f"loss_{name}": value for name, value in terms.items()}

    def items(self, engine: Engine) -> dict[str, list[dict[str, Any]]]:
        """The items of each section."""
        loaders = {"training": engine.state.dataloader, "validation": getattr(self.evaluator, "data_loader", None)}
        return {name: getattr(getattr(loader, "dataset", None), "data", []) for name, loader in loaders.items()}

    def finish_epoch(self, engine: Engine) -> None:
        """Log, save and decide whether to stop."""
        epoch = engine.state.epoch
        row: dict[str, float] = {
            "epoch": epoch,
            **{name: float(value) / (engine.state.epoch_length or 1) for name, value in self._loss_sums.items()},
            "learning_rate": float(self.scheduler.get_last_lr()[0]),
            "seconds": time.perf_counter() - self._epoch_start,
        }
        if self.evaluator.state.epoch == epoch and self.metric in self.evaluator.state.metrics:
            row[self.metric] = float(self.evaluator.state.metrics[self.metric])
        self.history.append(row)
        improved = self._improves(engine, row.get(self.metric))
        values = " ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")
        _say(f"epoch {epoch}/{engine.state.max_epochs} {values}")
        if idist.get_rank() == 0:
            self._save(engine, improved)
        if self.patience and self.best[1] and epoch - self.best[1] >= self.patience:
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
            write_adapter(self.output_dir, self.network, self.data_spec, {"seed": self.seed, "best": self.history[-1]})
            write_model(self.output_dir, self.network)
        write_history(self.output_dir, self.history)
        self._write_manifest(engine)
        with atomic_path(self.output_dir / CHECKPOINT) as temporary:
            torch.save(self._checkpoint(engine), temporary)

    def _write_manifest(self, engine: Engine) -> None:
        report = self.network.parameter_report()
        write_manifest(
            self.output_dir / "manifest.json",
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

    def _checkpoint(self, engine: Engine) -> dict[str, Any]:
        scaler = getattr(engine, "scaler", None)
        return {
            "network": self.network.adapter_state(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "epoch": engine.state.epoch,
            "epoch_length": engine.state.epoch_length,
            "best": list(self.best),
            "history": self.history,
            "settings": run_settings(self.network, self.data_spec),
            "base_sha256": self.network.base_sha256,
        }

    @exits_in_one_line
    def _restore(self, engine: Engine, path: Path) -> None:
        state = read_checkpoint(path)
        length, last = engine.state.epoch_length, engine.state.max_epochs
        assert length is not None and last is not None
        settings = run_settings(self.network, self.data_spec)
        check_checkpoint(state, settings, self.network.base_sha256, length, last)
        self.network.load_adapter_state(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        scaler = getattr(engine, "scaler", None)
        if scaler is not None and state["scaler"]:
            scaler.load_state_dict(state["scaler"])
        self.history, self.best = state["history"], tuple(state["best"])  # type: ignore[assignment]
        engine.state.epoch = state["epoch"]
        engine.state.iteration = state["epoch"] * state["epoch_length"]
        _say(f"resumed after epoch {state['epoch']} of {path}")


def _say(text: str) -> None:
    if idist.get_rank() == 0:
        print(text, flush=True)
