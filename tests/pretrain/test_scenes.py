"""Which objects get prompts, and what the first prompts of a batch are."""

from __future__ import annotations

import torch

from monai_samadapt.pretrain.scenes import Scenes, choose_objects, first_prompts


def _scenes() -> Scenes:
    masks = torch.zeros(2, 3, 64, 64, dtype=torch.bool)
    masks[0, 0, 5:30, 7:40] = True
    masks[0, 2, 40:44, 40:60] = True
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return Scenes(images, masks, masks.flatten(2).any(2))


def test_every_object_is_chosen_before_one_comes_twice() -> None:
    valid = torch.tensor([[True, False, True, True], [False, False, True, False]])
    chosen = choose_objects(valid, 6, torch.Generator().manual_seed(0))
    assert sorted(chosen[0, :3].tolist()) == [0, 2, 3] and chosen[0, 3:].tolist() == chosen[0, :3].tolist()
    assert chosen[1].tolist() == [2] * 6


def test_first_prompts_are_clicks_in_and_boxes_around_their_objects() -> None:
    scenes = _scenes()
    prompts = first_prompts(scenes, 16, 16, torch.Generator().manual_seed(0))
    assert prompts.labels[0].tolist() == [[1, -1]] * 4 + [[2, 3]] * 12
    assert prompts.weight.tolist() == [[1.0] * 16, [0.0] * 16]
    coverage = torch.nn.functional.avg_pool2d(scenes.masks.float(), 4)
    for target in prompts.target[0]:
        assert any(torch.equal(target, coverage[0, index]) for index in (0, 2))
    for coordinates, target in zip(prompts.coordinates[0, :4, 0].long(), prompts.target[0, :4], strict=True):
        index = 0 if torch.equal(target, coverage[0, 0]) else 2
        assert scenes.masks[0, index, coordinates[1], coordinates[0]]
