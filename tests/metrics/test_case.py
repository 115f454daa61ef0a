"""The metrics of one case: scikit-learn on random maps, the four states, the field of view, wrong input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import surface_distance
import torch
from scipy import ndimage
from sklearn.metrics import f1_score, jaccard_score, recall_score, roc_auc_score

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.metrics import METRIC_NAMES, case_metrics, surface_scores
from monai_samadapt.metrics.case import OF_IMAGE

LIVER = LabelSpec.parse(["Liver"])
ORGANS = LabelSpec.parse(["Liver", "Tumor"])
DISC_CUP = LabelSpec.parse(["disc", "cup"], overlapping=True)


@pytest.mark.parametrize(("shape", "spacing"), [((32, 24), None), ((16, 12, 8), (0.7, 0.8, 2.5))])
@pytest.mark.parametrize("spec", [ORGANS, DISC_CUP])
def test_random_maps_agree_with_scikit_learn(shape, spacing, spec):
    generator = np.random.default_rng(7)
    channels, top = (1, 3) if spec.exclusive else (2, 2)
    pred, truth = generator.integers(0, top, size=(2, channels, *shape))
    prob = np.round(generator.random((2, *shape)), 2)
    for index, row in enumerate(case_metrics(pred, truth, spacing, spec, prob=prob)):
        p, t = ((m[0] == index + 1 if spec.exclusive else m[index] > 0).ravel() for m in (pred, truth))
        assert row["label"] == spec.names[index]
        assert row["state"] == "present"
        assert row["dice"] == pytest.approx(f1_score(t, p), abs=1e-6)
        assert row["iou"] == pytest.approx(jaccard_score(t, p), abs=1e-6)
        assert row["sensitivity"] == pytest.approx(recall_score(t, p), abs=1e-6)
        assert row["specificity"] == pytest.approx(recall_score(t, p, pos_label=0), abs=1e-6)
        assert row["auc"] == pytest.approx(roc_auc_score(t, prob[index].ravel()), abs=1e-6)
        assert (row["truth_voxels"], row["pred_voxels"]) == (t.sum(), p.sum())


def squares(rows_pred: slice, rows_truth: slice, shape: tuple[int, ...] = (1, 10, 10)) -> tuple[np.ndarray, np.ndarray]:
    pred, truth = np.zeros((2, *shape), np.uint8)
    pred[:, rows_pred, 2:6], truth[:, rows_truth, 2:6] = 1, 1
    return pred, truth


def test_by_hand():
    # rows 2-5 against rows 3-6 of 4 columns: 16 voxels each, 12 shared, 100 in all
    (row,) = case_metrics(*squares(slice(2, 6), slice(3, 7)), None, LIVER)
    assert row["dice"] == 24 / 32
    assert row["iou"] == 12 / 20
    assert row["sensitivity"] == 12 / 16
    assert row["specificity"] == 80 / 84
    assert row["hd95"] == 1.0
    assert row["nsd"] == 1.0
    assert math.isnan(row["auc"])
    assert row["unit"] == "px"


def test_surface_metrics_use_the_spacing():
    pred, truth = squares(slice(2, 6), slice(3, 7))
    (row,) = case_metrics(pred, truth, (5.0, 0.5), LIVER, nsd_tolerance=4.9)
    assert row["hd95"] == 5.0
    assert (row["hd95"], row["nsd"]) == surface_scores(pred[0] > 0, truth[0] > 0, (5.0, 0.5), 4.9)
    assert 0 < row["nsd"] < 1
    assert row["unit"] == "mm"


def test_a_missed_label_gets_the_worst_of_every_figure():
    pred, truth = squares(slice(2, 6), slice(3, 7), shape=(1, 10, 10, 4))
    prob = np.full((1, 10, 10, 4), 0.3)
    (row,) = case_metrics(np.zeros_like(pred), truth, (3.0, 4.0, 0.1), LIVER, prob=prob)
    assert row["state"] == "missed"
    assert (row["dice"], row["iou"], row["nsd"], row["sensitivity"], row["specificity"]) == (0, 0, 0, 0, 1)
    assert row["hd95"] == pytest.approx(math.hypot(30, 40, 0.4))
    assert row["auc"] == 0.5
    (found,) = case_metrics(pred, truth, (3.0, 4.0, 0.1), LIVER)
    assert row["hd95"] > found["hd95"]
    assert all(row[name] < found[name] for name in ("dice", "iou", "nsd", "sensitivity"))


def test_a_prediction_on_an_empty_truth():
    pred, truth = squares(slice(2, 6), slice(0, 0))
    (row,) = case_metrics(pred, truth, None, LIVER, prob=np.full((1, 10, 10), 0.3))
    assert row["state"] == "false_positive"
    assert (row["dice"], row["iou"], row["nsd"]) == (0, 0, 0)
    assert row["specificity"] == 84 / 100
    assert row["hd95"] == pytest.approx(math.hypot(10, 10))
    assert math.isnan(row["sensitivity"])
    assert math.isnan(row["auc"])


def test_empty_in_both_is_no_number():
    empty = np.zeros((1, 10, 10), np.uint8)
    (row,) = case_metrics(empty, empty, None, LIVER, prob=np.zeros((1, 10, 10)))
    assert row["state"] == "empty"
    assert all(math.isnan(row[name]) for name in METRIC_NAMES)
    assert (row["truth_voxels"], row["pred_voxels"]) == (0, 0)


def test_a_label_that_fills_the_image_has_no_specificity():
    full = np.ones((1, 4, 4), np.uint8)
    (row,) = case_metrics(full, full, None, LIVER)
    assert (row["dice"], row["hd95"], row["nsd"]) == (1, 0, 1)
    assert math.isnan(row["specificity"])


def test_nothing_counts_outside_the_field_of_view():
    pred, truth = squares(slice(2, 6), slice(3, 7))
    prob, fov = np.random.default_rng(0).random((1, 10, 10)), np.zeros((1, 10, 10), np.uint8)
    fov[:, :6] = 255
    (row,) = case_metrics(pred, truth, None, LIVER, prob=prob, fov=fov)
    # 60 voxels inside; truth 12 of them, prediction 16, shared 12
    assert (row["dice"], row["sensitivity"], row["specificity"]) == (24 / 28, 1.0, 44 / 48)
    assert row["auc"] == pytest.approx(roc_auc_score(truth[0, :6].ravel(), prob[0, :6].ravel()))
    # of the whole image: truth 16, prediction 16, shared 12
    assert (row["dice_image"], row["specificity_image"]) == (24 / 32, 80 / 84)
    assert row["auc_image"] == pytest.approx(roc_auc_score(truth.ravel(), prob.ravel()))
    (without,) = case_metrics(pred, truth, None, LIVER, prob=prob)
    assert all(without[f"{key}_image"] == without[key] == row[f"{key}_image"] for key in OF_IMAGE)
    (missed,) = case_metrics(pred, truth, None, LIVER, fov=np.roll(fov, 6, axis=1)[:, ::1])
    assert missed["state"] == "missed"


def test_tensors_in_half_precision_and_cheap_validation():
    pred, truth = (torch.from_numpy(mask) for mask in squares(slice(2, 6), slice(3, 7)))
    prob = torch.linspace(0, 1, 100).reshape(1, 10, 10)
    (row,) = case_metrics(pred, truth, None, LIVER, prob=prob.bfloat16(), surface=False)
    assert row["dice"] == 0.75
    assert math.isnan(row["hd95"])
    assert math.isnan(row["nsd"])
    assert row["auc"] == pytest.approx(roc_auc_score(truth.flatten(), prob.bfloat16().float().flatten()))


def test_the_source_arrays_stay_as_they_are():
    pred, truth = squares(slice(2, 6), slice(3, 7))
    before = pred.copy(), truth.copy()
    case_metrics(pred, truth, None, LIVER)
    np.testing.assert_array_equal((pred, truth), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": np.zeros((1, 5, 6))}, r"pred=\(1, 5, 5\): shape is not \(1, 5, 6\)"),
        ({"truth": np.zeros((2, 5, 5))}, r"label=\(2, 5, 5\): shape is not \(1, 5, 5\)"),
        ({"prob": np.zeros((2, 5, 5))}, r"prob=\(2, 5, 5\): shape is not \(1, 5, 5\)"),
        ({"fov": np.ones((1, 4, 5))}, r"mask=\(1, 4, 5\): shape is not \(1, 5, 5\)"),
        ({"spacing": (1.0, 0.0)}, r"spacing=\(1.0, 0.0\): is not 2 lengths"),
        ({"spacing": (1.0, 1.0, 1.0)}, "is not 2 lengths"),
        ({"nsd_tolerance": -1.0}, "nsd_tolerance=-1.0: is not a length"),
    ],
)
def test_wrong_input_is_named(change, message):
    arguments = {"pred": np.zeros((1, 5, 5)), "truth": np.zeros((1, 5, 5)), "spacing": None, "label_spec": LIVER}
    with pytest.raises(SamAdaptError, match=message):
        case_metrics(**(arguments | change))


@pytest.mark.parametrize(
    ("shape", "spacing"), [((31, 44), (0.4, 1.7)), ((30, 33), None), ((18, 22, 11), (0.75, 0.9, 3.2))]
)
@pytest.mark.parametrize("seed", range(3))
def test_every_figure_of_random_structures_agrees_with_its_reference(shape, spacing, seed):
    """Blobs at the border and apart: overlap and AUC of scikit-learn, HD95 of scipy, NSD of surface-distance."""
    generator = np.random.default_rng(seed)
    smooth = [ndimage.gaussian_filter(generator.normal(size=shape), 1.5) for _ in range(2)]
    prob = (smooth[0] - smooth[0].min()) / np.ptp(smooth[0])
    pred, truth = (values > np.quantile(values, share) for values, share in zip(smooth, (0.8, 0.75), strict=True))
    (row,) = case_metrics(pred[None].astype(int), truth[None].astype(int), spacing, LIVER, prob=prob[None])
    steps = spacing or (1.0,) * len(shape)
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (pred, truth)]
    maps = [ndimage.distance_transform_edt(~edge, sampling=steps) for edge in edges]
    surfaces = surface_distance.compute_surface_distances(truth, pred, steps)
    t, p = truth.ravel(), pred.ravel()
    expected = {
        "dice": f1_score(t, p),
        "iou": jaccard_score(t, p),
        "sensitivity": recall_score(t, p),
        "specificity": recall_score(t, p, pos_label=0),
        "auc": roc_auc_score(t, prob.ravel()),
        "hd95": max(np.percentile(maps[1][edges[0]], 95), np.percentile(maps[0][edges[1]], 95)),
        "nsd": surface_distance.compute_surface_dice_at_tolerance(surfaces, 2.0),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-4)
    assert 0.05 < row["nsd"] < 0.99  # neither trivial


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_of_one_slice_is_measured_as_a_picture(axis):
    """In 3D all its voxels would be surface: discs of radius 36 and 30 had an NSD of .88 instead of 0."""
    rows, columns = np.mgrid[:100, :90]
    pred, truth = ((np.hypot(rows - 50, columns - 45) <= radius)[None].astype(np.uint8) for radius in (36, 30))
    (flat,) = case_metrics(pred, truth, (0.9, 1.1), LIVER)
    spacing = np.insert([0.9, 1.1], axis, 5.0)
    (volume,) = case_metrics(*(np.expand_dims(mask, axis + 1) for mask in (pred, truth)), spacing, LIVER)
    assert volume == pytest.approx(flat, nan_ok=True)
    assert flat["hd95"] > 5 and flat["nsd"] == 0
    (missed,) = case_metrics(np.expand_dims(0 * pred, axis + 1), np.expand_dims(truth, axis + 1), spacing, LIVER)
    assert missed["hd95"] == pytest.approx(math.hypot(90, 99))
