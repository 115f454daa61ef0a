"""HD95 against a scipy distance transform, NSD against DeepMind's surface-distance, and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import surface_distance
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage
from torch import from_numpy

from monai_samadapt.metrics import image_diagonal, surface_scores

GRIDS = [
    ((40, 30), (1.0, 1.0)),
    ((33, 48), (0.7, 1.9)),
    ((24, 20, 16), (1.0, 1.0, 1.0)),
    ((20, 26, 9), (0.8, 0.65, 3.1)),
]


def blobs(shape: tuple[int, ...], seed: int, coverage: float = 0.3) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return noise > np.quantile(noise, 1 - coverage)


def scipy_hd95(pred: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...]) -> float:
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (pred, truth)]
    maps = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return max(np.percentile(maps[1][edges[0]], 95), np.percentile(maps[0][edges[1]], 95))


def deepmind_nsd(pred: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...], tolerance: float) -> float:
    distances = surface_distance.compute_surface_distances(truth, pred, spacing)
    return surface_distance.compute_surface_dice_at_tolerance(distances, tolerance)


@pytest.mark.parametrize(("shape", "spacing"), GRIDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_masks_agree_with_the_references(shape, spacing, seed):
    # the masks touch the image's border: 30 % of smoothed noise, covered up to the edge
    pred, truth = blobs(shape, seed), blobs(shape, seed + 100, coverage=0.15)
    for tolerance in (0.5, 1.3, 2.0):
        hd95, nsd = surface_scores(pred, truth, spacing, tolerance)
        assert hd95 == pytest.approx(scipy_hd95(pred, truth, spacing), abs=1e-4)
        assert nsd == pytest.approx(deepmind_nsd(pred, truth, spacing, tolerance), abs=1e-4)


def test_the_crop_changes_nothing_against_monai_on_the_whole_image():
    pred, truth = np.zeros((2, 60, 50, 20), bool)
    pred[5:20, 10:25, 3:9], truth[8:22, 6:21, 4:11] = True, True
    spacing = (0.9, 1.2, 2.5)
    hd95, nsd = surface_scores(pred, truth, spacing, 2.0)
    batch = [from_numpy(mask)[None, None] for mask in (pred, truth)]
    assert hd95 == pytest.approx(float(compute_hausdorff_distance(*batch, percentile=95, spacing=spacing)), abs=1e-5)
    whole = compute_surface_dice(*batch, class_thresholds=[2.0], spacing=spacing, use_subvoxels=True)
    assert nsd == pytest.approx(float(whole), abs=1e-5)


def test_a_shifted_square_by_hand():
    # A pixel against one 3 columns (1.5 mm) to the right. The surface elements of the NSD are the pixels' four corners,
    # of equal length: two of each pixel are 1.0 mm from the other pixel's corners, two are 1.5 mm away.
    pred, truth = np.zeros((2, 9, 9), bool)
    truth[4, 2], pred[4, 5] = True, True
    for tolerance, nsd in ((0.9, 0.0), (1.0, 0.5), (1.4, 0.5), (1.5, 1.0)):
        assert surface_scores(pred, truth, (2.0, 0.5), tolerance) == (pytest.approx(1.5), pytest.approx(nsd))
    assert surface_scores(pred.T, truth.T, (2.0, 0.5), 3.9) == (pytest.approx(6.0), 0.0)


def test_identical_masks_are_perfect():
    mask = blobs((20, 20, 10), 5)
    assert surface_scores(mask, mask, (1.0, 1.0, 3.0), 0.0) == (0.0, 1.0)


def test_the_larger_of_the_two_directed_percentiles_counts():
    # The truth is a part of the prediction: the way back is 0, the way forth is not.
    truth, pred = np.zeros((2, 30, 30), bool)
    truth[:5, :], pred[:5, :], pred[20:, :] = True, True, True
    assert surface_scores(pred, truth, (1.0, 1.0), 2.0)[0] == pytest.approx(scipy_hd95(pred, truth, (1.0, 1.0)))
    assert surface_scores(pred, truth, (1.0, 1.0), 2.0)[0] > 20
    assert surface_scores(truth, pred, (1.0, 1.0), 2.0)[0] > 20


def test_the_diagonal_is_in_physical_units():
    assert image_diagonal((3, 4), (1.0, 1.0)) == 5.0
    assert image_diagonal((10, 20, 5), (0.5, 0.5, 4.0)) == pytest.approx(math.sqrt(25 + 100 + 400))


@pytest.mark.parametrize("density", [0.0005, 0.5])
def test_sparse_and_dense_surfaces_agree_with_the_references(density):
    # few points are searched in a k-d tree, a noisy prediction by a distance transform
    shape, spacing = (30, 32, 20), (0.7, 1.1, 2.0)
    truth = np.zeros(shape, bool)
    truth[8:20, 8:20, 8:12] = True
    pred = np.random.default_rng(2).random(shape) < density
    hd95, nsd = surface_scores(pred, truth, spacing, 2.0)
    assert hd95 == pytest.approx(scipy_hd95(pred, truth, spacing), abs=1e-4)
    assert nsd == pytest.approx(deepmind_nsd(pred, truth, spacing, 2.0), abs=1e-4)
