"""Volumes without a unit: each is scaled by its own percentiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.clicks import CLICKS
from monai_samadapt.transforms.normalise import PIXEL_MEAN, PIXEL_STD

MRI = DataSpec("mri", ["Prostate"], image_size=32)
Array = np.ndarray[Any, Any]


@pytest.fixture
def signal() -> Array:
    """Skewed intensities of 32 × 32 × 6 voxels, with a few very bright ones."""
    values = np.random.default_rng(0).gamma(2.0, 100.0, (32, 32, 6)).astype(np.float32)
    values[3, 4, 2] = 90000.0
    return values


def level(image: Any) -> torch.Tensor:
    """The red channel before SAM's normalisation, in 0…1."""
    return (image.as_tensor()[0] * PIXEL_STD[0] + PIXEL_MEAN[0]) / 255


def test_the_percentiles_of_a_volume_become_0_and_1(nifti: Callable[..., str], signal: Array) -> None:
    image = MRI.inference_transforms()({"image": nifti(signal)})["image"]
    low, high = np.percentile(signal, [0.5, 99.5])
    # from voxels along R, A, S to rows to posterior and columns to the patient's left
    expected = np.clip((signal - low) / (high - low), 0, 1)[::-1, ::-1].transpose(1, 0, 2)
    torch.testing.assert_close(level(image), torch.tensor(expected.copy()), atol=2e-5, rtol=0)
    assert (expected == 1).sum() > 20 and high < 2000  # the outlier does not set the scale


def test_gain_and_offset_of_a_scanner_change_nothing(nifti: Callable[..., str], signal: Array) -> None:
    first, second = (
        MRI.inference_transforms()({"image": nifti(values)})["image"].as_tensor()
        for values in (signal, (7.5 * signal + 300).astype(np.float32))
    )
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_a_clicked_slice_is_scaled_as_in_the_whole_volume(nifti: Callable[..., str], signal: Array) -> None:
    path = nifti((signal * np.linspace(1, 3, 6)).astype(np.float32))  # the percentiles of few slices would differ
    request = {"image_path": path, "label": "Prostate", "foreground": [[10, 12, 4]]}
    image = MRI.inference_transforms()({"image": path, **request})["image"]
    (number,) = image.meta[CLICKS].slices
    whole = MRI.inference_transforms()({"image": path})["image"]
    assert image.shape[-1] == 3
    torch.testing.assert_close(image[..., number].as_tensor(), whole[..., 4].as_tensor(), atol=1e-6, rtol=0)


def test_a_volume_of_one_value_is_black(nifti: Callable[..., str]) -> None:
    image = MRI.inference_transforms()({"image": nifti(np.full((32, 32, 3), 7.0, np.float32))})["image"]
    assert level(image).abs().max() < 1e-6


def test_little_signal_in_a_masked_volume_is_scaled(nifti: Callable[..., str]) -> None:
    """Where both percentiles are 0, lowest and highest value set the scale."""
    values = np.zeros((32, 32, 6), np.float32)
    values[4:6, 4:6, 3] = 70000.0, 35000.0
    found = level(MRI.inference_transforms()({"image": nifti(values)})["image"])
    assert sorted(found.round(decimals=4).unique().tolist()) == [0.0, 0.5, 1.0]


def test_a_window_is_refused() -> None:
    with pytest.raises(SamAdaptError, match="is for ct; mri is scaled by its percentiles"):
        DataSpec("mri", ["A"], window=[0, 900])


def test_it_is_a_volume_in_every_other_respect() -> None:
    assert MRI.volumes and MRI.metric_spacing == "affine" and MRI.output_ext == ".nii.gz"
    assert MRI.items_per_batch(8, 4) == 2 and MRI.slices_per_volume(8, 4) == 4
    assert MRI.items_per_batch(3, 8) == 1 and MRI.slices_per_volume(3, 8) == 3  # a batch has at most three slices
