"""Keeps the worst and the best cases that an evaluator sees, and draws them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray

from monai_samadapt.metrics import SegmentationMetrics
from monai_samadapt.metrics.case import Row
from monai_samadapt.metrics.segmentation import source_file
from monai_samadapt.reports.extremes import ExtremeCases, KeptCase, case_score, draw_case, keep_case
from monai_samadapt.transforms import DataSpec

Key = tuple[float, str, str]
"""Score, file and source of prompts of a case."""


class CaseKeeper:
    """Follows an evaluator and keeps slices of its worst and best cases; their images are read again for drawing.

    Args:
        metrics: the metric that is attached to the same engine, before this.
        data: the settings of the data: labels, reader and window.
        worst, best: numbers of cases to keep, up to 100.
    """

    def __init__(self, metrics: SegmentationMetrics, data: DataSpec, worst: int = 2, best: int = 0) -> None:
        self.metrics, self.data, self.limits = metrics, data, (min(worst, 100), min(best, 100))
        self.start()

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator that has the metric already, as MONAI's evaluators do with their handlers."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.keep)

    def start(self) -> None:
        """Forget all cases."""
        worst, best = self.limits
        self.worst, self.best = ExtremeCases(worst), ExtremeCases(best, best=True)

    def keep(self, engine: Engine) -> None:
        """Look at the cases of a batch."""
        for case, rows in zip(self.metrics.cases(engine.state.output), self.metrics.last_rows, strict=True):
            for extreme in (self.worst, self.best):
                extreme.offer(case_score(rows), partial(_kept, case, rows))

    def draw(self, folder: Path, all_processes: bool = True) -> None:
        """Write the pictures, ``00_dice…`` the worst and ``best_00_dice…`` the best, of few cases each as one of them.

        Args:
            folder: of the pictures.
            all_processes: rank the cases of all processes, each of which calls this and draws those it has seen; else
                only those of this process.
        """
        names = {row["file"]: row["case"] for row in self.metrics.rows}
        worst, best = _apart(_ranked(self.worst, all_processes), _ranked(self.best, all_processes))
        for extreme, keys, prefix in ((self.worst, worst, ""), (self.best, best, "best_")):
            own = {_key(case): case for case in extreme.cases}
            for place, key in enumerate(keys):
                if case := own.get(key):
                    score, file, prompts = key
                    name = f"{prefix}{place:02d}_{overlay_name(score, names[file], prompts)}"
                    draw_case(case, folder / name, self.data)


def overlay_name(score: float, case: str, prompts: str) -> str:
    """The name of a case's picture without its place: ``dice0.812_case.png``."""
    stem = re.sub(r"(\.nii\.gz|\.\w+)( \(\d+\))?$", r"\2", case)
    dice = "empty" if math.isinf(score) else f"{score:.3f}"
    source = "" if prompts == "none" else f" {prompts.split(' ')[0]}"
    return f"dice{dice}_{re.sub(r'[^A-Za-z0-9.-]+', '_', stem + source).strip('_')}.png"


def find_overlays(folder: Path) -> list[Path]:
    """The pictures in a folder, the worst first, then the best."""
    worst, best = (sorted(folder.glob(f"{prefix}[0-9][0-9]_dice*.png")) for prefix in ("", "best_"))
    return worst + best


def _key(case: KeptCase) -> Key:
    return (case.score, case.file, case.prompts)


def _ranked(extreme: ExtremeCases, all_processes: bool) -> list[Key]:
    own = [_key(case) for case in extreme.cases]
    gathered: Any = idist.all_gather(own) if all_processes else [own]
    keys = {tuple(key) for part in gathered for key in part}
    return sorted(keys, key=lambda key: (extreme.rank(key[0]), *key[1:]))[: extreme.limit]


def _apart(worst: list[Key], best: list[Key]) -> tuple[list[Key], list[Key]]:
    """Leave a case that is in both lists where it has the better place, the worst ones first."""
    places = [{key: place for place, key in enumerate(keys)} for keys in (worst, best)]
    bad = [key for key in worst if places[0][key] <= places[1].get(key, math.inf)]
    return bad, [key for key in best if key not in bad]


def _kept(case: Mapping[str, Any], rows: Sequence[Row]) -> KeptCase:
    label, pred = case["label"], case["pred"]
    affine = label.affine.numpy(force=True) if isinstance(label, MetaTensor) else np.eye(4)
    return keep_case(rows, _array(label), _array(pred), affine, source_file(case))


def _array(labels: Any) -> NDArray[np.uint8]:
    return np.asarray(torch.as_tensor(labels).cpu()).astype(np.uint8)
