"""What a training run writes down about each epoch."""

from __future__ import annotations

import time
from typing import Any

from ignite.engine import Engine
from torch import Tensor

from monai_samadapt.processes import mean_over_processes


def step_losses(engine: Engine) -> dict[str, Tensor]:
    """The loss of a trainer's last step, and its ``terms`` where it has some, on the device."""
    output: Any = engine.state.output
    terms: dict[str, Tensor] = getattr(getattr(engine, "loss_function", None), "terms", {})
    return {"loss": output["loss"].detach()} | {f"loss_{name}": value for name, value in terms.items()}


class History:
    """The rows of ``history.csv``: mean losses, learning rate, seconds, figures of the network and of a validation.

    Losses are added up on the device: no step waits for it. They are means over all processes.

    Attributes:
        rows: one for each finished epoch.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._start = 0.0

    def start_epoch(self) -> None:
        """Begin another row."""
        self._sums, self._start = {}, time.perf_counter()

    def add_step(self, engine: Engine) -> None:
        """Add the losses of the last step."""
        self._sums = {name: value + self._sums.get(name, 0.0) for name, value in step_losses(engine).items()}

    def finish_epoch(self, engine: Engine, learning_rate: float, measured: dict[str, float]) -> dict[str, float]:
        """Finish the row: ``learning_rate`` is the next step's, ``measured`` what else there is."""
        steps = engine.state.epoch_length or 1
        row: dict[str, float] = {
            "epoch": engine.state.epoch,
            **{name: float(mean_over_processes(value)) / steps for name, value in self._sums.items()},
            "learning_rate": learning_rate,
            "seconds": time.perf_counter() - self._start,
            **measured,
        }
        self.rows.append(row)
        return row
