from __future__ import annotations

import numpy as np
import pytest

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec

CT = DataSpec("ct", ["A", "B"], image_size=32, window=(-160, 240))
PICTURES = DataSpec("image2d", ["A"], image_size=32)
LABEL = np.random.default_rng(0).integers(0, 3, (6, 5, 4)).astype(np.uint8)
HU = np.zeros((6, 5, 4), np.int16)


def read(spec: DataSpec, **item: object):
    return spec.evaluation_transforms()(item)


def test_label_and_mask_stay_on_the_source_grid(nifti):
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    item = read(
        CT,
        image=nifti(HU, affine, "image.nii.gz"),
        label=nifti(LABEL, affine, "label.nii.gz"),
        mask=nifti((LABEL > 0) * np.int16(7), affine, "mask.nii.gz"),
    )
    np.testing.assert_array_equal(item["label"].numpy()[0], LABEL)
    np.testing.assert_array_equal(item["mask"].numpy()[0], LABEL > 0)
    np.testing.assert_array_equal(item["label"].affine.numpy(), affine)
    assert item["image"].shape == (3, 32, 32, 4)


def test_values_of_a_mapping_are_encoded(nifti):
    spec = DataSpec("ct", {"A": 5, "B": [2, 3]}, image_size=32, window=[-160, 240])
    raw = np.array([0, 2, 3, 5], np.uint8)[LABEL]
    item = read(spec, image=nifti(HU), label=nifti(raw, name="label.nii.gz"))
    np.testing.assert_array_equal(item["label"].numpy()[0], np.array([0, 2, 2, 1])[LABEL])


def test_overlapping_labels_from_channels_or_from_a_list_of_files(nifti, picture):
    spec = DataSpec("ct", ["A", "B"], overlapping=True, image_size=32, window=(-160, 240))
    channels = np.stack([LABEL > 0, LABEL > 1], -1).astype(np.uint8)
    item = read(spec, image=nifti(HU), label=nifti(channels, name="label.nii.gz"))
    np.testing.assert_array_equal(item["label"].numpy(), np.moveaxis(channels, -1, 0))
    spec = DataSpec("image2d", ["disc", "cup"], overlapping=True, image_size=32)
    disc, cup = (LABEL[..., 0] > 0).astype(np.uint8) * 255, (LABEL[..., 0] > 1).astype(np.uint8)
    item = read(spec, image=picture(disc), label=[picture(disc, "disc.png"), picture(cup, "cup.png")])
    np.testing.assert_array_equal(item["label"].numpy(), np.stack([disc.T > 0, cup.T]))


def test_a_slightly_rounded_affine_is_the_same_grid(nifti):
    affine = np.diag([0.7, 0.7, 3.0, 1.0])
    label = nifti(LABEL, affine + 1e-4, "label.nii.gz")
    assert read(CT, image=nifti(HU, affine), label=label)["label"].shape == (1, 6, 5, 4)


def test_a_label_that_does_not_fit_its_image_names_both_files(nifti, picture):
    image, shifted = nifti(HU), np.eye(4)
    shifted[0, 3] = 0.2
    turned = np.diag([-1.0, 1.0, 1.0, 1.0])
    cases = [
        (CT, image, nifti(LABEL[:5], name="short.nii.gz"), "has shape"),
        (CT, image, nifti(LABEL, shifted, "shifted.nii.gz"), "up to 0.2 mm away"),
        (CT, image, nifti(LABEL, turned, "turned.nii.gz"), "up to 10 mm away"),
        (PICTURES, picture(LABEL[..., 0]), picture(LABEL[..., 0].T, "turned.png"), r"has shape \(6, 5\)"),
    ]
    for spec, source, label, problem in cases:
        for check in (spec.check_item, spec.evaluation_transforms(), spec.training_transforms()):
            with pytest.raises(SamAdaptError, match=problem) as raised:
                check({"image": source, "label": label})
            line = str(raised.value)
            assert source in line and label in line and "\n" not in line


def test_wrong_items_are_refused_in_one_line(nifti, picture):
    image, grey = nifti(HU), picture(LABEL[..., 0])
    empty = picture(LABEL[..., 0] * 0, "empty.png")
    pair = DataSpec("image2d", ["A", "B"], overlapping=True, image_size=32)
    cases = [
        (CT, {"image": image}, "has no file for it"),
        (CT, {"label": image}, "has no file for it"),
        (CT, {"image": "absent.nii.gz", "label": image}, "does not exist"),
        (CT, {"image": image, "label": nifti(LABEL + 1, name="label.nii.gz")}, r"has values 3 outside \[0, 1, 2\]"),
        (CT, {"image": image, "label": nifti(np.stack([LABEL] * 2, -1), name="many.nii.gz")}, "has 2 channels, not 1"),
        (PICTURES, {"image": grey, "label": picture(LABEL[..., :3], "rgb.png")}, "has 3 channels, not 1"),
        (PICTURES, {"image": grey, "label": empty, "mask": picture(LABEL[:4, :, 0], "small.png")}, "has shape"),
        (PICTURES, {"image": grey, "label": empty, "mask": picture(LABEL[..., :3], "rgb.png")}, "has 3 channels"),
        (pair, {"image": grey, "label": grey}, "1 channels for 2"),
        (pair, {"image": grey, "label": [grey]}, "1 channels for 2"),
        (pair, {"image": grey, "label": [grey, picture(LABEL[..., :3], "rgb.png")]}, "one file for each label"),
    ]
    for spec, item, problem in cases:
        with pytest.raises(SamAdaptError, match=problem) as raised:
            spec.evaluation_transforms()(item)
        assert "\n" not in str(raised.value)


def test_check_item_needs_no_label(nifti):
    CT.check_item({"image": nifti(HU), "subject": "1"})
    CT.check_item({"image": nifti(HU), "label": None, "mask": None})


def test_entries_that_are_made_later_are_refused(nifti):
    item = {"image": nifti(np.zeros((4, 4, 2), np.int16), np.eye(4)), "points": [[1, 1]]}
    with pytest.raises(SamAdaptError, match=r"datalist='points': is an entry of .* that is made later; put prompts"):
        DataSpec("ct", ["A"], image_size=16, window=(0, 1)).check_item(item)
