"""From a file to the network's view and back to the source grid."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from monai_samadapt.transforms import DataSpec, OneLineCompose

LABELS = ["A", "B"]


def with_fitted_label(spec: DataSpec) -> OneLineCompose:
    """The evaluation's transforms, but the label is taken along to the network's size."""
    chain, pair = spec.chain, ("image", "label")
    return OneLineCompose([*chain.read(), *chain.prepare(pair), *chain.to_network(pair)])


def through(spec: DataSpec, item: dict, output_dir: str) -> tuple[dict, dict]:
    """Give the fitted label as the prediction, as one-hot logits."""
    transforms = with_fitted_label(spec)
    item = transforms(item)
    label = item["label"].as_tensor().long()
    hot = torch.nn.functional.one_hot(label[0], spec.label_spec.num_channels).movedim(-1, 0)
    maps = hot if spec.label_spec.exclusive else label
    fitted = dict(item)
    item["pred"] = maps.float() * 20 - 10
    return fitted, spec.postprocessing(transforms, output_dir)(item)


def blobs(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Two structures: an ellipsoid and a smaller one beside it, without symmetry."""
    axes = np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij")
    first = sum(((axis + 0.3) / 0.5) ** 2 for axis in axes) < 1
    second = sum(((axis - 0.4) / 0.4) ** 2 for axis in axes) < 1
    return (first + 2 * (second & ~first)).astype(np.uint8)


@pytest.mark.parametrize("degrees", [0.0, 25.0])
@pytest.mark.parametrize("stored", ["stored_sra", "stored_lps"])
def test_the_network_sees_the_volume_upright_wherever_its_axes_point(nifti, upright, degrees, stored):
    hu = np.random.default_rng(0).integers(0, 100, (24, 16, 7)).astype(np.int16)
    array, affine = getattr(upright(hu, (0.8, 0.8, 3.0), degrees), stored)()
    spec = DataSpec("ct", LABELS, image_size=24, window=(0, 100))
    image = spec.inference_transforms()({"image": nifti(array, affine)})["image"]
    expected = (hu / 100 * 255 - 123.675) / 58.395
    np.testing.assert_allclose(image[0, :, :16].numpy(), expected, atol=1e-5)
    assert (image[:, :, 16:] == 0).all()
    voxel = np.array([2.0, 5.0, 3.0, 1.0])  # row, column, slice and the same voxel of the file are one point in space
    place = [3, 15 - 5, 23 - 2, 1] if stored == "stored_sra" else [5, 2, 3, 1]
    np.testing.assert_allclose(image.affine.numpy() @ voxel, affine @ place, atol=1e-4)


def test_an_anterior_left_marker_is_up_and_right(nifti):
    ras = np.zeros((20, 20, 5), np.int16)  # axes to right, anterior, superior
    ras[2, 17, 1] = 100  # far left, far anterior, second from below
    spec = DataSpec("ct", LABELS, image_size=20, window=(0, 100))
    image = spec.inference_transforms()({"image": nifti(ras)})["image"]
    assert (image[0] > 0).nonzero().tolist() == [[2, 17, 1]]  # row 20 - 1 - 17, column 20 - 1 - 2


@pytest.mark.parametrize("image_size", [24, 48, 72])
@pytest.mark.parametrize("stored", ["stored_sra", "stored_lps"])
def test_oblique_labels_come_back_exactly(nifti, upright, tmp_path, stored, image_size):
    volume = upright(blobs((24, 20, 9)), (0.75, 0.75, 4.0), 25.0)
    label, affine = getattr(volume, stored)()
    item = {"image": nifti(label.astype(np.int16), affine, "v.nii.gz"), "label": nifti(label, affine, "l.nii.gz")}
    spec = DataSpec("ct", LABELS, image_size=image_size, window=(0, 2))
    _, out = through(spec, item, str(tmp_path / "out"))
    np.testing.assert_array_equal(out["pred"].numpy()[0], label)
    np.testing.assert_array_equal(out["pred"].affine.numpy(), affine)
    saved = nib.load(tmp_path / "out" / "v_seg.nii.gz")
    assert saved.shape == label.shape and saved.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(saved.affine, affine)
    np.testing.assert_array_equal(np.asarray(saved.dataobj), label)


@pytest.mark.parametrize("spacing", [None, 1.1, [1.5, 0.9]])
def test_anisotropic_volumes_come_back_nearly(nifti, upright, tmp_path, spacing):
    volume = upright(blobs((60, 40, 5)), (0.6, 1.0, 4.0), 25.0)
    label, affine = volume.stored_sra()
    item = {"image": nifti(label.astype(np.int16), affine, "v.nii.gz"), "label": nifti(label, affine, "l.nii.gz")}
    spec = DataSpec("ct", LABELS, image_size=47, window=(0, 2), spacing=spacing)
    fitted, out = through(spec, item, str(tmp_path / "out"))
    pixel = {None: [40 / 47, 40 / 47], 1.1: [1.1, 1.1]}.get(spacing if spacing is None or spacing == 1.1 else 0)
    expected = pixel or [1.5, 0.9]  # 36 mm × 40 mm: [1.5, 0.9] gives 24 × 44 pixels
    np.testing.assert_allclose(fitted["image"].pixdim[:2], expected, rtol=0.03)
    pred = out["pred"].numpy()[0]
    for value in (1, 2):
        dice = 2 * ((pred == value) & (label == value)).sum() / ((pred == value).sum() + (label == value).sum())
        assert dice > 0.93, (value, dice)


@pytest.mark.parametrize("image_size", [50, 100, 150])
def test_pictures_come_back_exactly(picture, tmp_path, image_size):
    label = blobs((30, 50))
    label[:4, 45:] = 1  # upper right
    image = np.dstack([label * 80, label * 10, label])
    item = {"image": picture(image, "p.png"), "label": picture(label, "l.png")}
    fitted, out = through(DataSpec("image2d", LABELS, image_size=image_size), item, str(tmp_path / "out"))
    assert (fitted["label"][0, 0, image_size - 5 :] == 1).all()  # upright for the network
    assert out["pred"].shape == (1, 50, 30) and out["pred"].dtype == torch.uint8
    np.testing.assert_array_equal(out["pred"].numpy()[0].T, label)
    saved = Image.open(tmp_path / "out" / "p_seg.png")
    assert saved.size == (50, 30) and saved.mode == "L"
    np.testing.assert_array_equal(np.asarray(saved), label)


def test_overlapping_labels_come_back_exactly(nifti, picture, tmp_path):
    label = blobs((24, 20, 6))
    channels = np.stack([label > 0, label == 2], -1).astype(np.uint8)
    item = {"image": nifti(label.astype(np.int16), name="v.nii.gz"), "label": nifti(channels, name="l.nii.gz")}
    spec = DataSpec("ct", LABELS, overlapping=True, image_size=48, window=(0, 2))
    _, out = through(spec, item, str(tmp_path / "out"))
    np.testing.assert_array_equal(out["pred"].numpy(), np.moveaxis(channels, -1, 0))
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "out" / "v_seg.nii.gz").dataobj), channels)
    item = {
        "image": picture(label[..., 2], "p.png"),
        "label": [picture(channels[:, :, 2, index] * 255, f"l{index}.png") for index in range(2)],
    }
    _, out = through(DataSpec("image2d", LABELS, overlapping=True, image_size=48), item, str(tmp_path / "out"))
    for index, name in enumerate(LABELS):
        saved = np.asarray(Image.open(tmp_path / "out" / f"p_seg_{name}.png"))
        np.testing.assert_array_equal(saved, channels[:, :, 2, index] * 255)


def test_strings_of_a_server_pass_untouched(nifti):
    strings = {"image_path": "x.nii.gz", "image_uid": "1", "model": "s_sam", "image_meta_dict": {}}
    spec = DataSpec("ct", LABELS, image_size=16, window=(0, 1), spacing=[0.5, 0.5])
    transforms = spec.inference_transforms()
    item = {"image": nifti(np.zeros((8, 8, 4), np.int16))} | strings
    for step in transforms.transforms:  # as MONAI Label runs them
        item = step(item)
    item["pred"] = torch.zeros(3, 16, 16, 4)
    for step in spec.postprocessing(transforms, drop_channel=True).transforms:
        item = step(item)
    assert item["pred"].shape == (8, 8, 4) and {key: item[key] for key in strings} == strings
