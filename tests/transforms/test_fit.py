from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd

from monai_samadapt.transforms.fit import FitInPlaned, fitted_size, resample_in_plane


@pytest.mark.parametrize(
    ("size", "pixel", "image_size", "spacing", "expected"),
    [
        ((512, 512), (0.7, 0.7), 256, None, (256, 256)),
        ((30, 50), (1.0, 1.0), 256, None, (154, 256)),  # 30 / 50 of 256 = 153.6
        ((100, 100), (0.5, 1.0), 128, None, (64, 128)),  # 50 mm × 100 mm
        ((40, 60), (0.7031, 0.70310001), 60, None, (40, 60)),
        ((200, 100), (1.0, 1.0), 256, (2.0, 2.0), (100, 50)),
        ((200, 100), (1.0, 1.0), 256, (1.0, 0.5), (200, 200)),
        ((512, 512), (0.7, 0.7), 256, (0.5, 0.5), (256, 256)),  # 716.8 pixels are shrunk
        ((400, 200), (1.0, 1.0), 100, (0.5, 0.5), (100, 50)),
        ((1, 1000), (1.0, 1.0), 64, None, (1, 64)),
    ],
)
def test_fitted_size(size, pixel, image_size, spacing, expected):
    assert fitted_size(size, pixel, image_size, spacing) == expected


def test_shrinking_averages_and_slices_stay_apart():
    image = torch.arange(2 * 4 * 4 * 40, dtype=torch.float32).reshape(2, 4, 4, 40)
    half = resample_in_plane(image, (2, 2), "bilinear")
    inner = torch.nn.functional.interpolate(image.movedim(-1, 0), (2, 2), mode="bilinear", antialias=True)
    torch.testing.assert_close(half, inner.movedim(0, -1))
    constant = torch.rand(1, 1, 1, 40).expand(1, 12, 12, 40)
    torch.testing.assert_close(resample_in_plane(constant, (5, 5), "bilinear"), constant[:, :5, :5])
    checker = ((torch.arange(8)[:, None] + torch.arange(8)) % 2).float()[None]
    assert (resample_in_plane(checker, (2, 2), "bilinear") - 0.5).abs().max() < 0.05  # plain sampling would give 0 or 1


def test_nearest_takes_the_pixel_under_the_centre():
    label = torch.arange(9, dtype=torch.uint8)[None, None]
    assert resample_in_plane(label, (1, 3), "nearest").tolist() == [[[1, 4, 7]]]
    assert resample_in_plane(label, (1, 3), "nearest").dtype == torch.uint8


def _volume(shape: tuple[int, ...], affine: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.rand(shape, generator=torch.Generator().manual_seed(0)), affine=torch.from_numpy(affine))


def test_forward_affine_keeps_the_centre_and_inverse_restores_everything():
    affine = np.diag([2.0, 1.0, 5.0, 1.0])
    affine[:3, 3] = (7, 8, 9)
    image = _volume((1, 20, 30, 4), affine)  # 40 mm × 30 mm
    fit = Compose([FitInPlaned(["image"], ["bilinear"], 80)])
    fitted = fit({"image": image})
    out = fitted["image"]
    assert out.shape == (1, 80, 60, 4)
    np.testing.assert_allclose(np.diag(out.affine.numpy()), [0.5, 0.5, 5.0, 1.0])
    for sizes, matrix in (((20, 30, 4), affine), ((80, 60, 4), out.affine.numpy())):
        centre = [(size - 1) / 2 for size in sizes]
        np.testing.assert_allclose(matrix @ [*centre, 1], [7 + 19, 8 + 14.5, 9 + 7.5, 1])
    fitted["pred"] = MetaTensor(torch.zeros(3, 80, 60, 4))
    restored = Invertd("pred", fit, orig_keys="image", nearest_interp=False)(fitted)["pred"]
    assert restored.shape == (3, 20, 30, 4) and not restored.applied_operations
    np.testing.assert_allclose(restored.affine.numpy(), affine, atol=1e-12)
    assert image.shape == (1, 20, 30, 4) and not image.applied_operations


def test_a_fitting_size_is_not_touched_and_the_label_follows_the_image():
    image, label = _volume((1, 16, 12, 3), np.eye(4)), _volume((1, 16, 12, 3), np.diag([1, 1.3, 1, 1]))
    fit = FitInPlaned(["image", "label"], ["bilinear", "nearest"], 16)
    out = fit({"image": image, "label": label})
    torch.testing.assert_close(out["image"].as_tensor(), image.as_tensor(), rtol=0, atol=0)
    torch.testing.assert_close(fit.inverse(out)["image"].as_tensor(), image.as_tensor(), rtol=0, atol=0)
    assert out["label"].shape == (1, 16, 12, 3)
