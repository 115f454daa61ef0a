"""Scenes that are cut to another aspect and padded as SAM pads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_samadapt.pretrain.padding import pad_some
from monai_samadapt.pretrain.samples import normalise
from monai_samadapt.pretrain.scenes import Scenes
from monai_samadapt.pretrain.source import ProceduralScenes

COUNT, SIZE = 200, 64


@pytest.fixture(scope="module")
def extents() -> tuple[Tensor, Tensor, Scenes]:
    """Height and width (B,) that are left of images of ones, and the scenes; one object fills each image."""
    whole = torch.ones(COUNT, 1, SIZE, SIZE, dtype=torch.bool)
    scenes = Scenes(torch.ones(COUNT, 3, SIZE, SIZE), whole, torch.ones(COUNT, 1, dtype=torch.bool))
    padded = pad_some(scenes, torch.Generator().manual_seed(0))
    kept = (padded.images == 1).all(1)
    return kept.any(2).sum(1), kept.any(1).sum(1), padded


def test_half_of_the_images_lose_height_or_width(extents: tuple[Tensor, Tensor, Scenes]) -> None:
    height, width, _ = extents
    assert ((height == SIZE) | (width == SIZE)).all()
    low, flat = (height < SIZE).float().mean(), (width < SIZE).float().mean()
    assert low == pytest.approx(0.25, abs=0.07) and flat == pytest.approx(0.25, abs=0.07)
    shortest = torch.minimum(height, width)
    assert shortest.min() in (36, 37)  # .55 of 64 is 35.2: columns 0 to 35 and at most some more
    assert shortest[shortest < SIZE].float().mean() / SIZE == pytest.approx(0.775, abs=0.03)


def test_padding_is_zero_after_normalising_and_no_object(extents: tuple[Tensor, Tensor, Scenes]) -> None:
    height, width, padded = extents
    images = normalise(padded.images)
    for image, mask, rows, columns in zip(images, padded.masks[:, 0], height, width, strict=True):
        assert image[:, rows:].abs().max() < 1e-5 if rows < SIZE else True
        assert image[:, :, columns:].abs().max() < 1e-5 if columns < SIZE else True
        assert mask.sum() == rows * columns and mask[:rows, :columns].all()


def test_an_object_cut_by_more_than_half_is_none() -> None:
    masks = torch.zeros(COUNT, 2, SIZE, SIZE, dtype=torch.bool)
    masks[:, 0, 20:30, 20:30], masks[:, 1, 44:64, 44:64] = True, True  # the first is never cut
    scenes = Scenes(torch.ones(COUNT, 3, SIZE, SIZE), masks, torch.ones(COUNT, 2, dtype=torch.bool))
    padded = pad_some(scenes, torch.Generator().manual_seed(1))
    left = (masks[:, 1] & (padded.images == 1).all(1)).flatten(1).sum(1)
    assert padded.valid[:, 0].all() and torch.equal(padded.valid[:, 1], left >= 0.45 * 400)
    assert 0 < int((~padded.valid[:, 1]).sum()) < COUNT
    assert not padded.masks[~padded.valid].any()


def test_pretraining_sees_padded_images() -> None:
    images = normalise(ProceduralScenes(torch.device("cpu"))(64, 32, 5).images)
    blank = images.abs().amax(1) < 1e-5
    share = (blank[:, -1].all(1) | blank[:, :, -1].all(1)).float().mean()
    assert share == pytest.approx(0.5, abs=0.2)
