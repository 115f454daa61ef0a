"""Real images, read in place: pixels, masks and the way there and back."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from PIL import Image

from monai_samadapt.transforms import DataSpec


def test_chest_x_rays_are_read_upright_with_their_lungs(sample_data: Path) -> None:
    spec = DataSpec("image2d", ["Lungs"], image_size=256)
    for image in sorted((sample_data / "cxr_shenzhen" / "images").iterdir())[:6]:
        label = image.parents[1] / "masks" / f"{image.stem}.png"
        item = spec.evaluation_transforms()({"image": str(image), "label": str(label)})
        mask = np.asarray(Image.open(label)) > 0
        assert item["image"].shape == (3, 256, 256)
        assert np.array_equal(item["label"][0].numpy().T > 0, mask)
        picture = np.asarray(Image.open(image).convert("L").resize((256, 256), Image.Resampling.BILINEAR), np.float32)
        expected = (picture - 123.675) / 58.395
        assert np.abs(item["image"][0].numpy() - expected).mean() < 0.02


def test_a_ct_s_own_labels_come_back_voxel_by_voxel(sample_data: Path, tmp_path: Path) -> None:
    folder = sample_data / "lung1_ct"
    image, label = folder / "LUNG1-001_ct_half.nii.gz", folder / "LUNG1-001_seg_half.nii.gz"
    spec = DataSpec("ct", ["Left lung", "Right lung", "Spinal cord", "Tumour"], image_size=256, window=(-1000, 400))
    preprocessing = spec.inference_transforms()
    item = preprocessing({"image": str(image)})
    assert item["image"].shape == (3, 256, 256, 134)
    truth = np.asarray(nib.load(label).dataobj)
    rows_columns = torch.as_tensor(np.ascontiguousarray(truth.transpose(1, 0, 2)))  # axes L-P-S to P-L-S
    item["pred"] = torch.nn.functional.one_hot(rows_columns.long(), 5).permute(3, 0, 1, 2).float()
    spec.postprocessing(preprocessing, str(tmp_path))(item)
    saved = nib.load(tmp_path / "LUNG1-001_ct_half_seg.nii.gz")
    assert np.array_equal(np.asarray(saved.dataobj), truth)
    assert np.allclose(saved.affine, nib.load(image).affine, atol=1e-4)
