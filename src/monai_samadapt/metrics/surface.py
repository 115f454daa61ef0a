"""HD95 and NSD of two binary masks, in physical units, from MONAI's surface kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics.utils import get_mask_edges, get_surface_distance
from monai.transforms.utils import distance_transform_edt
from numpy.typing import NDArray

_DENSE = 0.05  # share of points above which a distance transform is never slower than a few k-d tree searches

Mask = NDArray[np.bool_]


def surface_scores(pred: Mask, truth: Mask, spacing: Sequence[float], tolerance: float) -> tuple[float, float]:
    r"""Return the 95 % Hausdorff distance and the normalised surface Dice of two masks that are both not empty.

    ``HD95 = max(P95 d(dP, dT), P95 d(dT, dP))``: the larger of the two directed 95th percentiles, over the voxels of
    each mask that have a background neighbour (MONAI's definition; medpy pools the two directions and differs).

    ``NSD = (|{s in dT: d(s, dP) <= tol}| + |{s in dP: d(s, dT) <= tol}|) / (|dT| + |dP|)``, with boundary elements
    weighted by their area (length in 2D) as in DeepMind's surface-distance (Nikolov et al. 2018, arXiv:1809.04430).

    Only the bounding box of both masks is worked on, with one voxel of background around it; the numbers are those
    of the whole image.

    Args:
        pred: prediction, 2D or 3D.
        truth: ground truth of the same shape.
        spacing: size of a voxel along each axis.
        tolerance: NSD tolerance in the unit of ``spacing``.
    """
    box = _bounding_box(pred | truth)
    near_pred, near_truth = (torch.from_numpy(np.pad(mask[box], 1)) for mask in (pred, truth))
    return _hd95(near_pred, near_truth, spacing), _nsd(near_pred, near_truth, spacing, tolerance)


def image_diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Return the length of the image's diagonal, ``sqrt(sum_i (n_i s_i)^2)``, an upper bound of every distance."""
    return math.hypot(*(size * step for size, step in zip(shape, spacing, strict=True)))


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)


def _hd95(pred: torch.Tensor, truth: torch.Tensor, spacing: Sequence[float]) -> float:
    edges_pred, edges_truth = get_mask_edges(pred, truth, crop=False)
    forth, back = _distances(edges_pred, edges_truth, spacing)
    return float(max(np.percentile(forth, 95), np.percentile(back, 95)))


def _nsd(pred: torch.Tensor, truth: torch.Tensor, spacing: Sequence[float], tolerance: float) -> float:
    # With a spacing, MONAI returns DeepMind's surface elements: edges and areas of the 2 x 2 (x 2) neighbourhoods.
    elements: Any = get_mask_edges(pred, truth, crop=False, spacing=spacing)
    edges_pred, edges_truth, areas_pred, areas_truth = elements
    forth, back = _distances(edges_pred, edges_truth, spacing)
    area_pred = areas_pred[edges_pred].double().numpy()
    area_truth = areas_truth[edges_truth].double().numpy()
    near = area_pred[forth <= tolerance].sum() + area_truth[back <= tolerance].sum()
    return float(near / (area_pred.sum() + area_truth.sum()))


def _distances(
    edges_pred: torch.Tensor, edges_truth: torch.Tensor, spacing: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    pred, truth = np.asarray(edges_pred), np.asarray(edges_truth)
    return _nearest(pred, truth, spacing), _nearest(truth, pred, spacing)


def _nearest(points: Mask, targets: Mask, spacing: Sequence[float]) -> NDArray[np.float32]:
    """Return the distance of each point to its nearest target.

    MONAI searches a k-d tree, which is fast for surfaces but takes minutes for a noisy prediction, all surface; a
    distance transform takes seconds for both.
    """
    if np.count_nonzero(points) > _DENSE * points.size:
        dense: Any = distance_transform_edt(~targets[None], sampling=list(spacing))
        return np.asarray(dense[0][points], np.float32)
    return np.asarray(get_surface_distance(points, targets, spacing=spacing), np.float32)
