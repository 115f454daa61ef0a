"""Stop when the loss is no number any more."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from monai_samadapt.errors import OneLineExit, SamAdaptError


class NonFiniteLoss:
    """Ends a training run whose loss is infinite or not a number, naming the files of the batch.

    The loss of a step is read during the next one, when it is there without waiting for the device; an epoch's last
    loss is read at its end, before anything is saved.
    """

    def __init__(self) -> None:
        self._waiting: tuple[Tensor, list[str], int] | None = None

    def attach(self, engine: Engine) -> None:
        """Watch a trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.watch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.check)

    def watch(self, engine: Engine) -> None:
        """Check the step before and remember this one."""
        self.check(engine)
        output: Any = engine.state.output
        self._waiting = (output["loss"].detach(), file_names(engine.state.batch), engine.state.iteration)

    def check(self, engine: Engine) -> None:
        """Raise when the remembered loss is not finite."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not torch.isfinite(waiting[0]):
            loss, names, step = waiting
            problem = f"not finite in step {step}, files {', '.join(sorted(set(names)))}"
            remedy = "look at these files; else lower learning_rate or set amp False"
            raise OneLineExit(SamAdaptError("loss", float(loss), problem, remedy))


def file_names(batch: Any) -> list[str]:
    """The image files of a collated batch, as far as its metadata tells."""
    items = batch if isinstance(batch, list) else [batch]
    metas = [getattr(item["image"], "meta", {}) for item in items]
    names = [meta.get("filename_or_obj", "unknown") for meta in metas]
    return [str(name) for entry in names for name in (entry if isinstance(entry, (list, tuple)) else [entry])]
