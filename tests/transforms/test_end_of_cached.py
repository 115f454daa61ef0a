from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import CacheDataset
from monai.transforms import Randomizable

from monai_samadapt.transforms import DataSpec

HU = np.random.default_rng(0).integers(-100, 200, (24, 16, 10)).astype(np.int16)
SETTINGS = {"ct": {"window": (0, 100)}, "mri": {}}


def nbytes(image: torch.Tensor) -> int:
    return image.as_tensor().untyped_storage().nbytes()


@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("modality", ["ct", "mri"])
def test_a_cached_volume_takes_four_bytes_a_voxel(nifti, modality, neighbours):
    item = {"image": nifti(HU, name="i.nii.gz"), "label": nifti((HU > 50).astype(np.uint8), name="l.nii.gz")}
    item |= {"prompt_mode": "box"}
    spec = DataSpec(modality, ["A"], image_size=12, neighbours=neighbours, **SETTINGS[modality])
    transforms = spec.evaluation_transforms()
    dataset = CacheDataset([item], transforms, copy_cache=False, progress=False)
    cached = dataset._cache[0]
    voxels = 12 * 8 * 10  # fitted, before the padding to 12 × 12
    assert nbytes(cached["image"]) == 4 * voxels
    assert nbytes(cached["label"]) == HU.size  # on the source grid, uint8
    before = repr((cached["image"].meta, cached["image"].applied_operations))
    expected = transforms(dict(item))
    assert nbytes(expected["image"]) == 12 * 12 * 12 * 10
    for _ in range(3):  # an item that is used does not change the cache
        got = dataset[0]
        for key in ("image", "label", "points", "point_labels"):
            assert torch.equal(torch.as_tensor(got[key]), torch.as_tensor(expected[key]))
        torch.testing.assert_close(got["image"].affine, expected["image"].affine)
        got["pred"] = torch.ones(2, 12, 12, 10)
        assert spec.postprocessing(transforms)(got)["pred"].shape == (1, *HU.shape)
    assert repr((cached["image"].meta, cached["image"].applied_operations)) == before


def test_it_draws_nothing():
    steps = DataSpec("ct", ["A"], window=(0, 100)).evaluation_transforms().transforms
    assert not any(isinstance(step, Randomizable) for step in steps)
