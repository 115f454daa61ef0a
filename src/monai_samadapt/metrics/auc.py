"""Area under the ROC curve of voxel probabilities."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def roc_auc(prob: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve as the Mann-Whitney statistic.

    ``AUC = P(p+ > p-) + P(p+ = p-) / 2`` over all pairs of a positive and a negative voxel (Hanley and McNeil 1982,
    Radiology 143:29). Both groups are sorted once and the pairs are counted as integers, so that ties are exact and
    10^7 voxels take about a second.

    Args:
        prob: scores, any shape.
        truth: ground truth of the same shape.

    Returns:
        The area, or NaN when there is only one class or a score is not finite.
    """
    positives, negatives = np.sort(prob[truth]), np.sort(prob[~truth])
    if not positives.size or not negatives.size or not np.isfinite(prob).all():
        return math.nan
    below = np.searchsorted(negatives, positives, side="left").sum(dtype=np.int64)
    below_or_equal = np.searchsorted(negatives, positives, side="right").sum(dtype=np.int64)
    return float(int(below) + int(below_or_equal)) / (2.0 * positives.size * negatives.size)
