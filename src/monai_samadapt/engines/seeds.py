"""Sources of chance, seeded so that a resumed run equals an uninterrupted one."""

from __future__ import annotations

import random
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine

from monai_samadapt.processes import RANK_STRIDE


def set_seed(seed: int) -> None:
    """Seed python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_epoch(engine: Engine, seed: int) -> None:
    """Seed every source of chance of a trainer with ``seed + epoch``: those of `set_seed` and its data's transforms.

    Of several processes all draw alike from python's, which is for what concerns a whole step, and each differently
    from the others, which are for what concerns an image.
    """
    set_seed(seed + engine.state.epoch + RANK_STRIDE * idist.get_rank())
    random.seed(seed + engine.state.epoch)
    transform: Any = getattr(getattr(engine.state.dataloader, "dataset", None), "transform", None)
    if hasattr(transform, "set_random_state"):
        transform.set_random_state((seed + engine.state.epoch + RANK_STRIDE * idist.get_rank()) % 2**32)
