"""Overlay pictures of truth and prediction, for pictures and for chosen slices of volumes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_samadapt.labels import LabelSpec
from monai_samadapt.reports.drawing import Slice, draw

Array = NDArray[Any]
Window = Sequence[float] | None


def save_overlay(
    image: Array,
    truth: Array,
    pred: Array,
    path: str | os.PathLike[str],
    label_spec: LabelSpec,
    title: str | None = None,
    window: Window = None,
    aspect: float = 1.0,
) -> None:
    """Write a PNG with three panels: the image, the truth (lines) and the prediction (fill) on it, and the errors.

    Args:
        image: upright (row, column), (1, row, column) or (3, row, column).
        truth: (1, row, column) label map, or (K, row, column) for overlapping labels.
        pred: as ``truth``.
        path: the PNG file.
        label_spec: names of the labels, for the legend.
        title: a line above.
        window: intensities shown as black and white; by default 0 and 255 for uint8, else the 1st and 99th percentile.
        aspect: height of a pixel over its width.
    """
    draw_slices([image], [truth], [pred], [""], path, label_spec, title, window, aspect)


def volume_overlay(
    image: Array,
    truth: Array,
    pred: Array,
    path: str | os.PathLike[str],
    label_spec: LabelSpec,
    title: str | None = None,
    window: Window = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> None:
    """Write a PNG with up to three slices of a volume, those of `choose_slices`.

    Args:
        image: upright (1, row, column, slice).
        truth: (1 or K, row, column, slice), as for `save_overlay`.
        pred: as ``truth``.
        path: the PNG file.
        label_spec: names of the labels.
        title: a line above.
        window: intensities shown as black and white.
        spacing: size of a voxel along row, column and slice.
    """
    slices = choose_slices(truth, pred)
    draw_slices(
        [image[..., index] for index in slices],
        [truth[..., index] for index in slices],
        [pred[..., index] for index in slices],
        [f"slice {index}: {reason}" for index, reason in slices.items()],
        path,
        label_spec,
        title,
        window,
        aspect=spacing[0] / spacing[1],
    )


def draw_slices(
    images: Sequence[Array],
    truths: Sequence[Array],
    preds: Sequence[Array],
    captions: Sequence[str],
    path: str | os.PathLike[str],
    label_spec: LabelSpec,
    title: str | None = None,
    window: Window = None,
    aspect: float = 1.0,
) -> None:
    """Write a PNG with a row of panels for each slice; the arguments are lists of what `save_overlay` takes."""
    rows = [
        Slice(displayed(image, window), label_masks(truth, label_spec), label_masks(pred, label_spec), aspect, caption)
        for image, truth, pred, caption in zip(images, truths, preds, captions, strict=True)
    ]
    draw(rows, label_spec.names, path, title)


def choose_slices(truth: Array, pred: Array) -> dict[int, str]:
    """Choose the slices with the most truth and the most wrong voxels, and the middle one of the truth.

    Args:
        truth: (C, row, column, slice).
        pred: of the same shape.

    Returns:
        The reasons for each slice, in the order of the slices, as few slices as will do; the middle of the volume when
        there is no truth.
    """
    axes = (0, 1, 2)
    area, wrong = np.count_nonzero(truth, axis=axes), np.count_nonzero(truth != pred, axis=axes)
    filled = np.flatnonzero(area)
    middle = int(filled[len(filled) // 2]) if filled.size else truth.shape[-1] // 2
    reasons: dict[int, list[str]] = {middle: ["middle"]}
    for values, reason in ((area, "most truth"), (wrong, "most errors")):
        if values.any():
            best = max(reasons, key=lambda index: values[index])
            index = best if values[best] == values.max() else int(values.argmax())
            reasons.setdefault(index, []).append(reason)
    return {index: ", ".join(reasons[index]) for index in sorted(reasons)}


def label_masks(array: Array, label_spec: LabelSpec) -> NDArray[np.bool_]:
    """Return (K, …) masks of a label map (1, …) or of overlapping channels (K, …)."""
    if not label_spec.exclusive:
        return array > 0
    return np.stack([array[0] == index + 1 for index in range(label_spec.num_labels)])


def displayed(image: Array, window: Window = None) -> NDArray[np.floating]:
    """Return an image as (row, column) or (row, column, 3) in 0…1."""
    low, high = window or _default_window(image)
    scaled: NDArray[np.floating] = np.clip((image.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
    if scaled.ndim == 3:
        scaled = scaled[0] if len(scaled) == 1 else np.moveaxis(scaled[:3], 0, -1)
    return scaled


def _default_window(image: Array) -> tuple[float, float]:
    if image.dtype == np.uint8:
        return 0.0, 255.0
    return float(np.percentile(image, 1)), float(np.percentile(image, 99))
