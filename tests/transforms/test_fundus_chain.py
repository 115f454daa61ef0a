"""Results of a fundus photograph: inside the field of view, nested, and the labels files may have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.metrics import case_metrics
from monai_samadapt.prompts import NOWHERE
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.restore import nest

RGB = np.full((12, 16, 3), 100, np.uint8)
VIEW = np.zeros((12, 16), np.uint8)
VIEW[2:10, 3:13] = 255
DISC_CUP = {"Disc": [1, 2], "Cup": 2}


def restore(spec: DataSpec, item: dict, logits: list[float]) -> dict:
    """Postprocess constant logits at the network's size."""
    transforms = spec.inference_transforms()
    out = transforms(item)
    out["pred"] = torch.tensor(logits)[:, None, None].expand(-1, spec.image_size, spec.image_size).clone()
    return spec.postprocessing(transforms, probabilities=True)(out)


@pytest.mark.parametrize("labels", [["Vessel"], DISC_CUP])
def test_results_and_probabilities_are_zero_outside_the_view(picture, labels):
    spec = DataSpec("fundus", labels, image_size=24)
    logits = [0.0, 2.0] if labels == ["Vessel"] else [2.0, 2.0]
    out = restore(spec, {"image": picture(RGB, "i.png"), "mask": picture(VIEW, "m.png")}, logits)
    expected = VIEW.T > 0
    for channel in out["pred"].numpy():
        np.testing.assert_array_equal(channel, expected)
    for channel in out["prob"].numpy():
        np.testing.assert_allclose(channel, np.where(expected, 0.880797, 0), atol=1e-5)
    assert out["pred"].dtype == torch.uint8 and out["prob"].dtype == torch.float32


def test_pictures_of_other_modalities_are_not_confined(picture):
    spec = DataSpec("image2d", ["A"], image_size=16)
    assert restore(spec, {"image": picture(RGB, "i.png")}, [0.0, 1.0])["pred"].all()


def test_metrics_count_inside_the_view_only(picture):
    label = np.zeros((12, 16), np.uint8)
    label[0:6, 3:13] = 1  # 4 of 6 rows are in view
    spec = DataSpec("fundus", ["Vessel"], image_size=16)
    transforms = spec.evaluation_transforms()
    files = {"image": picture(RGB, "i.png"), "label": picture(label, "l.png"), "mask": picture(VIEW, "m.png")}
    item = transforms(files)
    item["pred"] = torch.stack([torch.zeros(16, 16), torch.ones(16, 16)])
    out = spec.postprocessing(transforms)(item)
    inside = case_metrics(out["pred"], out["label"], None, spec.label_spec, fov=out["fov"], surface=False)[0]
    assert inside["dice"] == 2 * 40 / (80 + 40) and inside["truth_voxels"] == 40
    whole = case_metrics(out["pred"], out["label"], None, spec.label_spec, surface=False)[0]
    assert whole["dice"] == 2 * 40 / (80 + 60)  # without the view, the 20 labelled pixels outside are missed


def test_a_nested_label_is_bounded_by_those_before_it():
    disc, rim, cup = torch.tensor([3.0, 1.0, -2.0, -1.0]), torch.tensor([1.0, 2.0, 4.0, -3.0]), torch.ones(4)
    nested = list(nest([disc, rim, cup]))
    assert [channel.tolist() for channel in nested] == [[3, 1, -2, -1], [1, 1, -2, -3], [1, 1, -2, -3]]


def test_a_label_that_was_not_asked_for_bounds_nothing():
    disc, rim, cup = (torch.tensor([value]) for value in (NOWHERE, 2.0, 3.0))
    assert [channel.tolist() for channel in nest([disc, rim, cup])] == [[NOWHERE], [2.0], [2.0]]
    assert [channel.tolist() for channel in nest([rim, disc, cup])] == [[2.0], [NOWHERE], [2.0]]


@pytest.mark.parametrize("nested", [True, False])
def test_a_cup_outside_its_disc_is_dropped_where_labels_are_nested(picture, nested):
    spec = DataSpec("fundus", DISC_CUP, image_size=16, nested=nested)
    full = {"image": picture(RGB, "i.png"), "mask": picture(np.full_like(VIEW, 1), "m.png")}
    out = restore(spec, full, [-1.0, 2.0])
    assert out["pred"][0].max() == 0 and out["pred"][1].min() == int(not nested)
    expected = torch.tensor([-1.0, -1.0 if nested else 2.0]).sigmoid()[:, None, None].expand(2, 16, 12)
    torch.testing.assert_close(out["prob"].as_tensor(), expected)
    inside = restore(spec, full, [3.0, 1.0])  # a cup inside keeps its own probability
    torch.testing.assert_close(inside["prob"][1].as_tensor(), torch.tensor(1.0).sigmoid().expand(16, 12))


TREE = np.zeros((12, 16), np.uint8)
TREE[4:8, 2:12] = 1
WHITE = TREE * 255


def palette(values: np.ndarray, *colours: int) -> Image.Image:
    """A palette picture whose first colours are the given grey values and whose others are white."""
    image = Image.fromarray(values, mode="P")
    image.putpalette([value for grey in (*colours, *[255] * (256 - len(colours))) for value in (grey,) * 3])
    return image


RGBA = np.dstack([WHITE] * 3 + [np.full_like(WHITE, 255)])


@pytest.mark.parametrize(
    "label",
    [
        *(TREE, WHITE, TREE > 0, np.dstack([WHITE] * 3), RGBA, TREE.astype(np.uint16)),
        *(palette(TREE, 0, 255), palette(TREE, 0, 90), palette(WHITE, 0), palette(1 - TREE, 255, 0)),
    ],
    ids=["1", "255", "1-bit", "RGB", "RGBA", "16-bit", "palette", "dark palette", "palette of 255", "white first"],
)
def test_vessels_are_read_from_every_kind_of_mask(picture, label):
    item = {"image": picture(RGB, "i.png"), "label": picture(label, "l.png")}
    read = DataSpec("fundus", ["Vessel"], image_size=16).evaluation_transforms()(item)["label"]
    np.testing.assert_array_equal(read.numpy()[0].T, TREE)


@pytest.mark.parametrize(
    ("labels", "values", "expected"),
    [
        ({"Disc": [1, 2, 255]}, TREE, TREE),
        ({"Disc": [1, 2, 255]}, TREE * 2, TREE),
        ({"Disc": [1, 2, 255]}, WHITE, TREE),
        (["Vessel"], TREE * 0, TREE * 0),
    ],
    ids=["rim", "cup", "255", "empty"],
)
def test_disc_files_of_rim_and_cup_or_binary(picture, labels, values, expected):
    item = {"image": picture(RGB, "i.png"), "label": picture(values, "l.png")}
    read = DataSpec("fundus", labels, image_size=16).evaluation_transforms()(item)["label"]
    np.testing.assert_array_equal(read.numpy()[0].T, expected)


@pytest.mark.parametrize(
    ("labels", "label", "problem"),
    [
        (["Vessel"], np.zeros((12, 17), np.uint8), "has shape"),
        (["Vessel"], np.dstack([WHITE, TREE, TREE]), "has 3 channels"),
        (["Vessel"], WHITE // 2, "has values"),
        ({"Disc": [1, 2, 255]}, np.where(TREE > 0, 128, 255).astype(np.uint8), r"has values 128 outside"),  # REFUGE
        (DISC_CUP, WHITE, r"has values 255 outside"),
    ],
    ids=["another size", "colours", "grey", "REFUGE", "binary for disc and cup"],
)
def test_masks_that_mean_something_else_are_refused_with_their_name(picture, labels, label, problem):
    item = {"image": picture(RGB, "i.png"), "label": picture(label, "wrong.png")}
    with pytest.raises(SamAdaptError, match=problem) as raised:
        DataSpec("fundus", labels, image_size=16).check_item(item)
    assert "wrong.png" in str(raised.value) and "\n" not in str(raised.value)


def test_photographs_of_16_bits_and_cmyk_have_a_view(picture):
    rows, columns = np.mgrid[:40, :50]
    grey = np.where(np.hypot(rows - 20, columns - 25) < 17, 30000, 200).astype(np.uint16)
    cmyk = Image.fromarray((grey >> 7).astype(np.uint8)).convert("RGB").convert("CMYK")
    for image in (picture(grey, "wide.tif"), picture(cmyk, "inks.tif")):
        view = DataSpec("fundus", ["Vessel"], image_size=50).inference_transforms()({"image": image})["mask"][0].numpy()
        truth = grey.T > 1000
        assert (view & truth).sum() / (view | truth).sum() > 0.93
