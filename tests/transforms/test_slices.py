from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, Dataset

from monai_samadapt.transforms import DataSpec, RandSlicesd
from monai_samadapt.transforms.slices import slices_of_labels


def spec(**changes: object) -> DataSpec:
    settings = {"modality": "ct", "labels": ["A"], "image_size": 16, "window": (0, 100)} | changes
    return DataSpec(**settings)


def number_slices(depth: int) -> np.ndarray:
    """HU that tell the slice: slice i has the value i."""
    return np.zeros((16, 12, depth), np.int16) + np.arange(depth, dtype=np.int16)


@pytest.fixture
def case(nifti):
    label = np.zeros((16, 12, 40), np.uint8)
    label[3:6, 2:9, 7:9] = 1  # two slices of forty
    return {"image": nifti(number_slices(40), name="i.nii.gz"), "label": nifti(label, name="l.nii.gz"), "subject": "s"}


def slice_of(sample: dict) -> np.ndarray:
    """The HU of each channel, read back from the normalised middle pixel."""
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    return ((sample["image"][:, 0, 0].as_tensor() * std + mean) / 255 * 100).numpy()


def test_half_of_the_slices_hold_a_label_and_repeat_only_when_needed():
    draw = RandSlicesd(8, neighbours=False).set_random_state(0).draw
    few, many, everything = np.array([7, 8]), np.arange(10, 30), np.arange(40)
    counts = np.bincount(np.concatenate([draw([few], 40) for _ in range(500)]), minlength=40)
    assert counts[[7, 8]].sum() / 4000 == pytest.approx(0.5 + 0.5 * 2 / 40, abs=0.02)
    assert counts[np.setdiff1d(everything, few)].min() > 20
    for _ in range(20):
        drawn = draw([many], 40)
        assert np.isin(drawn[:4], many).all() and len(set(drawn[:4])) == 4 and len(set(drawn[4:])) == 4
    assert len(draw([], 40)) == 8 and len(draw([few[:1]], 1)) == 8
    single = RandSlicesd(1, neighbours=False).set_random_state(0).draw
    share = np.mean([single([few], 40)[0] in few for _ in range(1000)])
    assert share == pytest.approx(0.5 + 0.5 * 2 / 40, abs=0.04)


def test_a_label_of_few_slices_is_drawn_as_often_as_the_others():
    held = [np.arange(5, 35), np.arange(20, 22)]  # a lesion on two of thirty slices of a liver
    for seed in range(50):
        drawn = RandSlicesd(8, neighbours=False).set_random_state(seed).draw(held, 40)[:4]
        assert len(set(drawn)) == 4 and np.isin(drawn, held[0]).all()
        assert {20, 21} <= set(drawn)  # two turns each; drawn like the other slices, .27 of four
    one = RandSlicesd(2, neighbours=False).set_random_state(0).draw
    assert np.mean([one(held, 40)[0] in held[1] for _ in range(1000)]) == pytest.approx(0.5 + 0.5 * 2 / 30, abs=0.04)


@pytest.mark.parametrize("overlapping", [False, True])
def test_slices_are_listed_by_label(overlapping):
    label = torch.zeros(1, 4, 4, 5, dtype=torch.uint8)
    label[0, 0, 0, 1:4], label[0, 2, 2, 3] = 1, 3
    if overlapping:
        label = torch.cat([label == value for value in (1, 2, 3)]).to(torch.uint8)
    assert [slices.tolist() for slices in slices_of_labels(label)] == [[1, 2, 3], [3]]
    assert slices_of_labels(label * 0) == []


@pytest.mark.parametrize("neighbours", [False, True])
def test_samples_are_the_slices_and_labels_of_the_volume(case, neighbours):
    samples = spec(neighbours=neighbours).training_transforms(6, augment=False)(case)
    assert len(samples) == 6
    for sample in samples:
        assert set(sample) == {"image", "label"}
        assert sample["image"].shape == (3, 16, 16) and sample["image"].dtype == torch.float32
        assert sample["label"].shape == (1, 16, 16) and sample["label"].dtype == torch.uint8
        below, middle, above = slice_of(sample)
        index = round(float(middle))
        around = [max(index - 1, 0), index, min(index + 1, 39)] if neighbours else [index] * 3
        np.testing.assert_allclose([below, middle, above], around, atol=0.03)  # float16 cache: 2.5e-4 of 100
        assert int(sample["label"].sum()) == (21 if index in (7, 8) else 0)
        assert (sample["image"][:, 12:] == 0).all()
        assert sample["image"].meta["filename_or_obj"] == case["image"]
    assert sum(int(sample["label"].any()) for sample in samples) >= 3


def test_training_and_inference_see_the_same_pixels(case):
    volume = spec().inference_transforms()({"image": case["image"]})["image"].as_tensor()
    for sample in spec().training_transforms(4, augment=False)(case):
        index = round(float(slice_of(sample)[1]))
        torch.testing.assert_close(sample["image"].as_tensor(), volume[..., index], atol=2e-3, rtol=0)


def test_a_dataset_cached_by_threads_gives_what_an_uncached_one_gives(nifti):
    rng = np.random.default_rng(0)
    items = []
    for number in range(6):
        shape = tuple(rng.integers(8, 20, 3))
        affine = np.diag([*rng.choice([-1.0, 1.0], 3) * rng.uniform(0.5, 2, 3), 1])
        hu, label = rng.integers(-50, 150, shape).astype(np.int16), rng.integers(0, 2, shape).astype(np.uint8)
        names = (f"{number}/i.nii.gz", f"{number}/l.nii.gz")
        items.append({"image": nifti(hu, affine, names[0]), "label": nifti(label, affine, names[1]), "subject": number})
    transforms = [spec().training_transforms(3).set_random_state(5) for _ in range(2)]
    cached = CacheDataset(items, transforms[0], num_workers=4, progress=False, copy_cache=False)
    plain = Dataset(items, transforms[1])
    for _ in range(2):  # twice: the random part must not change the cache
        for got, expected in zip(cached, plain, strict=True):
            for one, other in zip(got, expected, strict=True):
                torch.testing.assert_close(one["image"].as_tensor(), other["image"].as_tensor(), rtol=0, atol=0)
                torch.testing.assert_close(one["label"], other["label"], rtol=0, atol=0)
    batch = next(iter(DataLoader(cached, batch_size=4)))
    assert batch["image"].shape == (12, 3, 16, 16) and batch["label"].shape == (12, 1, 16, 16)
    assert batch["image"].meta["filename_or_obj"] == [item["image"] for item in items[:4] for _ in range(3)]


def test_pictures_of_all_kinds_collate(picture):
    spec2d = DataSpec("image2d", ["A"], image_size=32)
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 255, (20, 30, 3), dtype=np.uint8), rng.integers(0, 9999, (40, 10)).astype(np.uint16)]
    items = []
    for number, pixels in enumerate(sources):
        label = picture((rng.random(pixels.shape[:2]) > 0.5).astype(np.uint8) * 255, f"l{number}.png")
        items.append({"image": picture(pixels, f"i{number}.png", dpi=(96, 96)), "label": label})
    dataset = CacheDataset(items, spec2d.training_transforms(augment=True), progress=False)
    batch = next(iter(DataLoader(dataset, batch_size=2)))
    assert batch["image"].shape == (2, 3, 32, 32) and batch["label"].shape == (2, 1, 32, 32)
    assert set(batch["label"].unique().tolist()) == {0, 1}
