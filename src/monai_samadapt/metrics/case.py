"""All metrics of one case, label by label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.metrics.auc import roc_auc
from monai_samadapt.metrics.surface import image_diagonal, surface_scores

OF_IMAGE = ("dice", "specificity", "auc")
STATES = ("present", "missed", "false_positive", "empty")

Array = NDArray[Any] | torch.Tensor
Row = dict[str, Any]

_NO_SURFACE: Row = {"hd95": math.nan, "nsd": math.nan}


def case_metrics(
    pred: Array,
    truth: Array,
    spacing: Sequence[float] | None,
    label_spec: LabelSpec,
    prob: Array | None = None,
    nsd_tolerance: float = 2.0,
    fov: Array | None = None,
    surface: bool = True,
) -> list[Row]:
    """Compare a prediction with the ground truth on the source grid; a volume is scored as one volume.

    With TP, FP, FN, TN counted over the voxels of the field of view: ``Dice = 2 TP / (2 TP + FP + FN)``,
    ``IoU = TP / (TP + FP + FN)``, ``sensitivity = TP / (TP + FN)``, ``specificity = TN / (TN + FP)``.
    HD95 and NSD are those of `surface_scores`, in 2D for a volume of one slice, AUC that of `roc_auc`. The
    four states of a label:

    ================  ======  ===========  ====  ===  =====================  ==================  =========
    state             truth   prediction   Dice  IoU  HD95                   NSD                 sens.
    ================  ======  ===========  ====  ===  =====================  ==================  =========
    present           yes     yes          as measured
    missed            yes     none         0     0    the image's diagonal   0                   0
    false_positive    none    yes          0     0    the image's diagonal   0                   NaN
    empty             none    none         NaN everywhere: counted, but part of no mean
    ================  ======  ===========  ====  ===  =====================  ==================  =========

    Args:
        pred: integer map (1, …) for exclusive labels, or binary (K, …) for overlapping ones; 2D or 3D.
        truth: ground truth, as ``pred``.
        spacing: size of a voxel along each axis in mm, or None: distances in pixels.
        label_spec: the K labels.
        prob: probabilities (K, …); without them AUC is NaN.
        nsd_tolerance: tolerance of the NSD in mm, or in pixels without a spacing.
        fov: binary field of view (1, …) outside which nothing is counted; all by default.
        surface: whether to compute HD95 and NSD; if not, they are NaN.

    Returns:
        One row for each label: ``label, state, dice, iou, hd95, nsd, sensitivity, specificity, auc, dice_image,
        specificity_image, auc_image, truth_voxels, pred_voxels, unit`` (``mm`` or ``px``, that of HD95). Those of the
        image count all its voxels, inside the field of view and outside.

    Raises:
        SamAdaptError: when shapes do not agree, or spacing or tolerance is not a possible length.
    """
    maps, labels = _numpy(pred), _numpy(truth)
    shape = labels.shape[1:]
    inside = np.ones(shape, bool) if fov is None else _numpy(fov)[0] > 0
    scores = None if prob is None else _numpy(prob)
    _check_shapes(label_spec, shape, {"pred": maps, "label": labels, "prob": scores, "mask": inside[None]})
    steps = _check_lengths(spacing, len(shape), nsd_tolerance)
    rows = []
    for index, name in enumerate(label_spec.names):
        pred_mask, truth_mask = (_mask(array, index, label_spec.exclusive) for array in (maps, labels))
        found, wanted = pred_mask & inside, truth_mask & inside
        score = None if scores is None else scores[index]
        row: Row = {"label": name, **_overlap(found, wanted, inside), "auc": _auc(score, wanted, inside)}
        row |= _surface(row["state"], found, wanted, steps, nsd_tolerance) if surface else _NO_SURFACE
        row |= (
            {f"{key}_image": row[key] for key in OF_IMAGE} if fov is None else _of_image(pred_mask, truth_mask, score)
        )
        rows.append(row | {"unit": "px" if spacing is None else "mm"})
    return rows


def _auc(score: NDArray[Any] | None, truth: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    return math.nan if score is None else roc_auc(score[inside], truth[inside])


def _of_image(pred: NDArray[np.bool_], truth: NDArray[np.bool_], score: NDArray[Any] | None) -> Row:
    everywhere = np.ones(truth.shape, bool)
    row = {**_overlap(pred, truth, everywhere), "auc": _auc(score, truth, everywhere)}
    return {f"{key}_image": row[key] for key in OF_IMAGE}


def _overlap(pred: NDArray[np.bool_], truth: NDArray[np.bool_], inside: NDArray[np.bool_]) -> Row:
    # Counted as integers: MONAI's kernels sum in float32, which is not exact above 2^24 voxels.
    tp, num_pred, num_truth = (int(np.count_nonzero(mask)) for mask in (pred & truth, pred, truth))
    negatives = int(np.count_nonzero(inside)) - num_truth
    state = STATES[2 * (num_truth == 0) + (num_pred == 0)]
    row: Row = {"state": state, "truth_voxels": num_truth, "pred_voxels": num_pred}
    row["dice"] = _ratio(2 * tp, num_pred + num_truth)
    row["iou"] = _ratio(tp, num_pred + num_truth - tp)
    row["sensitivity"] = _ratio(tp, num_truth)
    row["specificity"] = math.nan if state == "empty" else _ratio(negatives - (num_pred - tp), negatives)
    return row


def _surface(
    state: str, pred: NDArray[np.bool_], truth: NDArray[np.bool_], spacing: Sequence[float], tolerance: float
) -> Row:
    if state == "empty":
        return _NO_SURFACE
    if 1 in truth.shape and truth.ndim == 3:  # one slice: a picture, whose surface is its outline
        axis = truth.shape.index(1)
        pred, truth = pred.squeeze(axis), truth.squeeze(axis)
        spacing = [step for index, step in enumerate(spacing) if index != axis]
    if state == "present":
        hd95, nsd = surface_scores(pred, truth, spacing, tolerance)
        return {"hd95": hd95, "nsd": nsd}
    return {"hd95": image_diagonal(truth.shape, spacing), "nsd": 0.0}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mask(array: NDArray[Any], index: int, exclusive: bool) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = array[0] == index + 1 if exclusive else array[index] > 0
    return mask


def _numpy(array: Array) -> NDArray[Any]:
    if not isinstance(array, torch.Tensor):
        return np.asarray(array)
    tensor = array.detach().cpu()
    return np.asarray(tensor.float() if tensor.dtype == torch.bfloat16 else tensor)


def _check_shapes(spec: LabelSpec, shape: tuple[int, ...], arrays: dict[str, NDArray[Any] | None]) -> None:
    channels = {"pred": 1 if spec.exclusive else spec.num_labels, "prob": spec.num_labels, "mask": 1}
    channels["label"] = channels["pred"]
    for name, array in arrays.items():
        wanted = (channels[name], *shape)
        if array is not None and array.shape != wanted:
            problem = f"shape is not {wanted}, that of the labels on the source grid"
            raise SamAdaptError(name, array.shape, problem, "compare arrays of one grid, one channel for each label")


def _check_lengths(spacing: Sequence[float] | None, dimensions: int, tolerance: float) -> tuple[float, ...]:
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise SamAdaptError("nsd_tolerance", tolerance, "is not a length", "give mm (pixels without spacing), e.g. 2.0")
    steps = (1.0,) * dimensions if spacing is None else tuple(float(step) for step in spacing)
    if len(steps) != dimensions or not all(math.isfinite(step) and step > 0 for step in steps):
        raise SamAdaptError("spacing", steps, f"is not {dimensions} lengths", "give the voxel size along each axis")
    return steps
