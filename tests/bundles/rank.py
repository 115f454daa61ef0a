"""One of several processes that run a bundle together; what it is told stands in its globals."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import torch
from ignite.engine import Engine
from monai.bundle import run

from monai_samadapt.engines import TrainingRun

TOLD: dict[str, Any] = globals()["told"]


def die_at(step: int) -> None:
    """End this process without a word, as a killed one does."""
    finish = TrainingRun.finish_step

    def finish_step(self: TrainingRun, engine: Engine) -> None:
        if engine.state.iteration == step:
            os._exit(9)
        finish(self, engine)

    TrainingRun.finish_step = finish_step  # type: ignore[method-assign]


os.environ |= {key: str(value) for key, value in TOLD["environment"].items()}
sys.stdout = sys.stderr = open(TOLD["log"], "w", buffering=1, encoding="utf-8")  # noqa: SIM115
torch.set_num_threads(1)
if TOLD["die_at"]:
    die_at(TOLD["die_at"])
try:
    run(config_file=TOLD["files"], **TOLD["ids"])
except BaseException as error:
    print(error) if isinstance(error, SystemExit) else traceback.print_exc()
    os._exit(1)
