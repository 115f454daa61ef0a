"""The generator of shapes: determinism, masks, relations of masks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from monai_samadapt.datasets.shapes import FAMILIES, HELD_OUT, TRAINING, ShapesGenerator
from monai_samadapt.datasets.shapes.generator import MAX_AREA, MIN_AREA, visible_masks
from monai_samadapt.datasets.shapes.scene import FAR, LAYERS, OBJECTS, Scene, make_scene
from monai_samadapt.errors import SamAdaptError

SIZE = 64


def _batch(seed: int, families: tuple[str, ...] = TRAINING, batch: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    return ShapesGenerator(SIZE, batch, families, torch.Generator().manual_seed(seed))()


@pytest.mark.parametrize("family", FAMILIES)
def test_images_and_masks_of_every_family(family: str) -> None:
    images, masks, valid = _batch(0, (family,))
    assert images.shape == (16, 3, SIZE, SIZE) and images.dtype == torch.float32
    assert masks.shape == (16, OBJECTS, SIZE, SIZE) and masks.dtype == valid.dtype == torch.bool
    assert images.isfinite().all() and images.min() >= 0 and images.max() <= 1
    area = masks.float().mean((-2, -1))
    assert (area[valid] >= MIN_AREA).all() and (area[valid] <= MAX_AREA).all() and (area[~valid] == 0).all()
    assert valid.any(1).float().mean() > 0.85
    assert images.std((1, 2, 3)).min() > 0.005


def test_held_out_families_are_not_drawn_by_default() -> None:
    assert set(HELD_OUT) == {"star", "crescent", "gland_ring"}
    assert set(TRAINING) | set(HELD_OUT) == set(FAMILIES) and not set(TRAINING) & set(HELD_OUT)
    assert ShapesGenerator(SIZE, 1).families == TRAINING


def test_generator_state_decides_the_batch() -> None:
    first, second, other = _batch(3), _batch(3), _batch(4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])
    stream = ShapesGenerator(SIZE, 4, generator=torch.Generator().manual_seed(3))
    assert not torch.equal(stream()[1], stream()[1])


def test_global_random_state_is_neither_used_nor_changed() -> None:
    torch.manual_seed(1)
    first, state = _batch(5), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(_batch(5)[0], first[0])
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_threads_do_not_disturb_each_other() -> None:
    alone = [_batch(seed, batch=4) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: _batch(seed, batch=4), range(4)))
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(alone, together, strict=True))


def test_sizes_range_from_tiny_to_large_and_objects_differ_from_their_surroundings() -> None:
    images, masks, valid = _batch(0, batch=64)
    area = masks.float().mean((-2, -1))[valid]
    assert area.quantile(0.1) < 0.012 and area.quantile(0.9) > 0.15
    grey, inner = images.mean(1, keepdim=True), masks.float()
    outer = torch.nn.functional.max_pool2d(inner, 9, 1, 4) - inner
    means = [(part * grey).sum((-2, -1)) / part.sum((-2, -1)).clamp(min=1) for part in (inner, outer)]
    contrast = (means[0] - means[1]).abs()[valid]
    assert contrast.quantile(0.75) > 0.06  # most show by brightness
    assert contrast.quantile(0.15) < 0.03  # some by texture, shading or outline only


def test_nested_masks_lie_in_each_other() -> None:
    _, masks, valid = _batch(0, ("nested",), 32)
    inner, outer = masks[:, 1], masks[:, 0]
    both = valid[:, 0] & valid[:, 1]
    assert both.sum() > 10 and not (inner & ~outer)[both].any()
    assert (outer.sum((-2, -1)) > inner.sum((-2, -1)))[both].all()


def test_organs_touch_without_overlap_and_lie_in_the_body() -> None:
    _, masks, valid = _batch(0, ("organs",), 32)
    assert masks[:, 1:].sum(1).max() == 1
    body = masks[:, 0][valid[:, 0]]
    assert not (masks[:, 1:].any(1)[valid[:, 0]] & ~body).any()


@pytest.mark.parametrize("family", ["cells", "glands"])
def test_cells_look_alike_and_do_not_overlap(family: str) -> None:
    _, masks, valid = _batch(0, (family,), 32)
    assert masks.sum(1).max() == 1 and valid.sum(1).float().mean() > 3


def _scene(*boxes: tuple[int, int, int, int], parent: tuple[int, ...] = ()) -> Scene:
    """Square shapes x0 y0 x1 y1 on a grid of 20, painted in this order."""
    objects, centre = torch.full((1, OBJECTS, 20, 20), FAR), torch.zeros(1, OBJECTS, 2)
    for index, (left, top, right, bottom) in enumerate(boxes):
        objects[0, index, top:bottom, left:right] = -1
        centre[0, index] = torch.tensor([left + right, top + bottom]) / 20 - 1
    none = [-1] * OBJECTS
    return make_scene(objects, centre, torch.tensor([[*parent, *none[len(parent) :]]]))


def test_later_shapes_cut_earlier_ones_but_not_their_wholes() -> None:
    view = torch.ones(1, 20, 20, dtype=torch.bool)
    scene = _scene((0, 0, 10, 10), (2, 2, 6, 6), (8, 0, 16, 10))
    masks, valid = visible_masks(scene, scene.distance, view)
    assert valid[0].tolist() == [True, True, True, False, False, False]
    # the second has its centre in the first and is a part; the third is not and takes 2 of its 10 columns
    assert masks.sum((-2, -1))[0].tolist() == [80, 16, 80, 0, 0, 0]
    child = _scene((0, 0, 10, 10), (2, 2, 6, 6), (8, 0, 16, 10), parent=(-1, 1, 1))
    assert visible_masks(child, child.distance, view)[0].sum((-2, -1))[0].tolist() == [100, 16, 80, 0, 0, 0]
    child.opaque[:] = False
    free = _scene((0, 0, 10, 10), (8, 0, 16, 10))
    free.opaque[:] = False
    assert visible_masks(free, free.distance, view)[0].sum((-2, -1))[0].tolist() == [100, 80, 0, 0, 0, 0]


def test_masks_end_at_the_field_of_view_and_hidden_ones_are_dropped() -> None:
    view = torch.zeros(1, 20, 20, dtype=torch.bool)
    view[:, :, :5] = True
    scene = _scene((0, 0, 10, 10), (4, 10, 16, 20), (0, 12, 3, 15))
    masks, valid = visible_masks(scene, scene.distance, view)
    assert masks.sum((-2, -1))[0, :3].tolist() == [50, 0, 9]
    assert valid[0, :3].tolist() == [True, False, True]  # 1 of 12 columns visible is less than 45 %


def test_layers_are_one_more_than_objects() -> None:
    assert LAYERS == OBJECTS + 1 == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 33, "batch": 1}, "size=33"),
        ({"size": 16, "batch": 1}, "size=16"),
        ({"size": 64, "batch": 0}, "batch=0"),
        ({"size": 64, "batch": 1, "families": ("blob", "moon")}, r"families=.*unknown: \['moon'\]"),
        ({"size": 64, "batch": 1, "families": ()}, "families=.*is empty"),
    ],
)
def test_wrong_settings_give_one_line(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SamAdaptError, match=message):
        ShapesGenerator(**arguments)  # type: ignore[arg-type]
