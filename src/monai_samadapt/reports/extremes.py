"""The worst and best cases of an evaluation, kept so small that memory does not grow with the number of cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_samadapt.reports.overlay import choose_slices, draw_slices
from monai_samadapt.reports.upright import upright, upright_spacing
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.chains import PERCENTILES

LARGEST_SIDE = 1024

Array = NDArray[Any]


@dataclass(frozen=True)
class KeptCase:
    """What the overlay of a case needs besides its image.

    Attributes:
        score: mean Dice over the labels that count; infinite when none does.
        file: the ``file`` of its rows.
        prompts: the source of its prompts.
        source: path to read the image from, or an empty string.
        title: the line above the picture.
        slices: index and reason of each slice; empty for a picture.
        truths: upright label maps of the slices.
        preds: upright predictions of the slices.
        aspect: height of a pixel over its width.
    """

    score: float
    file: str
    prompts: str
    source: str
    title: str
    slices: Mapping[int, str]
    truths: Sequence[Array]
    preds: Sequence[Array]
    aspect: float


class ExtremeCases:
    """Keeps the ``limit`` cases with the lowest scores, or with ``best`` those with the highest.

    A case without a score, empty in truth and prediction, is none of the best, and the last of the worst.

    Attributes:
        cases: the kept ones, the most extreme first.
    """

    def __init__(self, limit: int, best: bool = False) -> None:
        self.limit, self.best = limit, best
        self.cases: list[KeptCase] = []

    def offer(self, score: float, build: Callable[[], KeptCase]) -> None:
        """Keep a case when it is among the most extreme so far; only then is it built."""
        if self.limit == 0 or (self.best and math.isinf(score)):
            return
        if len(self.cases) < self.limit or self.rank(score) < self.rank(self.cases[-1].score):
            kept = sorted([*self.cases, build()], key=lambda case: self.rank(case.score))
            self.cases = kept[: self.limit]

    def rank(self, score: float) -> float:
        """What the most extreme case has the lowest value of."""
        return -score if self.best else score


def case_score(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean Dice of a case over the labels that are present or predicted, infinite when there is none."""
    values = [row["dice"] for row in rows if not math.isnan(row["dice"])]
    return math.fsum(values) / len(values) if values else math.inf


def case_title(rows: Sequence[Mapping[str, Any]], most: int = 5) -> str:
    """Return file name, mean Dice and each label's Dice or state, the worst ``most`` labels first."""
    score = case_score(rows)
    mean = "empty" if math.isinf(score) else f"mean Dice {score:.3f}"
    counted = sorted((row for row in rows if row["state"] != "empty"), key=lambda row: row["dice"])
    parts = [f"{row['label']} {_verdict(row)}" for row in counted[:most]] + (["…"] if len(counted) > most else [])
    prompts = "" if rows[0]["prompts"] == "none" else f", prompts {rows[0]['prompts']}"
    return f"{Path(rows[0]['file']).name}{prompts}: {mean}" + (f" ({', '.join(parts)})" if parts else "")


def keep_case(
    rows: Sequence[Mapping[str, Any]], truth: Array, pred: Array, affine: NDArray[np.float64], source: str
) -> KeptCase:
    """Cut what the overlay of a case needs out of its arrays on the source grid.

    Args:
        rows: its rows.
        truth: (C, W, H), or (C, X, Y, Z) for a volume.
        pred: as ``truth``.
        affine: affine of the volume.
        source: path of its image.
    """
    truth, pred = upright(truth, affine), upright(pred, affine)
    slices: dict[int, str] = {}
    aspect = 1.0
    if truth.ndim == 4:
        slices = choose_slices(truth, pred)
        row, column, _ = upright_spacing(affine)
        aspect = row / column
    truths, preds = _cut(truth, slices), _cut(pred, slices)
    file, prompts = rows[0]["file"], rows[0]["prompts"]
    return KeptCase(case_score(rows), file, prompts, source, case_title(rows), slices, truths, preds, aspect)


def draw_case(case: KeptCase, path: Path, data: DataSpec) -> None:
    """Read the image of a case again and write its overlay; without a source the background is black."""
    images, window = [np.zeros((1, *truth.shape[1:])) for truth in case.truths], (0.0, 255.0)
    if case.source:
        image = data.chain.reader.image(case.source)
        shown = upright(image.numpy(), image.affine.numpy())
        images, window = _cut(shown, case.slices), display_window(shown, data)
    captions = [f"slice {index}: {reason}" for index, reason in case.slices.items()] or [""]
    draw_slices(
        images, case.truths, case.preds, captions, path, data.label_spec, case.title, window, aspect=case.aspect
    )


def display_window(image: Array, data: DataSpec) -> tuple[float, float]:
    """The values that become black and white, as the network sees them."""
    low, high = data.window or (np.percentile(image, PERCENTILES) if data.volumes else (0, 255))
    return float(low), float(high)


def _cut(array: Array, slices: Mapping[int, str]) -> list[Array]:
    """Copy the slices of a volume, or a picture, at no more than `LARGEST_SIDE` pixels a side."""
    step = math.ceil(max(array.shape[1:3]) / LARGEST_SIDE)
    pictures = [array[..., index] for index in slices] or [array]
    return [picture[:, ::step, ::step].copy() for picture in pictures]


def _verdict(row: Mapping[str, Any]) -> str:
    return f"{row['dice']:.3f}" if row["state"] == "present" else row["state"].replace("_", " ")
