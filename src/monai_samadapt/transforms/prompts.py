"""Prompts of an item: given in a file or drawn from its truth, on the source grid, then at the network's input.

In an item they are ``points`` (K, N, 2) and ``point_labels`` (K, N), as `monai_samadapt.prompts` defines them, for a
volume (K, D, N, 2) and (K, D, N) on its D slices; ``prompt_source`` tells where they came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from monai_samadapt.labels import LabelSpec
from monai_samadapt.prompts import MODES, PADDING, TOP_LEFT, draw_prompts
from monai_samadapt.transforms.by_slice import to_input
from monai_samadapt.transforms.grid import file_of
from monai_samadapt.transforms.prompt_file import parse_prompts, require_prompts, source_size
from monai_samadapt.transforms.volume_prompts import draw_in_volume, to_slices

FILE_MODE = "file"

Item = dict[Hashable, Any]


class FilePromptsd(MapTransform):
    """Read the entry ``prompts`` of an item, where there is one; see `monai_samadapt.transforms.prompt_file`.

    Args:
        label_spec: the K labels.

    Raises:
        SamAdaptError: for prompts that are malformed, of an unknown label or outside the image.
    """

    def __init__(self, label_spec: LabelSpec) -> None:
        super().__init__("image")
        self.label_spec = label_spec

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        item = dict(data)
        if given := item.pop("prompts", None):
            file, size = file_of(item["image"]), source_size(item["image"])
            item["points"], item["point_labels"] = parse_prompts(given, self.label_spec, size, file)
            item["prompt_source"] = FILE_MODE
        return item


class ModePromptsd(MapTransform):
    """Give an item the prompts of its ``prompt_mode``: ``none`` (by default), ``file``, or drawn from ``label``.

    What is drawn depends on the seed, the image's file name and the mode alone, not on the order of the items. Negative
    points lie in the field of view, ``mask``, where there is one.

    Args:
        label_spec: the K labels.
        seed: of the drawn points.

    Raises:
        SamAdaptError: as `FilePromptsd`; for the mode ``file`` without prompts.
    """

    def __init__(self, label_spec: LabelSpec, seed: int) -> None:
        super().__init__(("image", "label"))
        self.label_spec, self.seed = label_spec, seed
        self.of_file = FilePromptsd(label_spec)

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        item = dict(data)
        mode = item.pop("prompt_mode", "none")
        if mode == FILE_MODE:
            require_prompts(item)
            return self.of_file(item)
        item.pop("prompts", None)
        if mode != "none":
            item["points"], item["point_labels"] = self._draw(item, mode)
            item["prompt_source"] = f"{mode} (ground truth)"
        return item

    def _draw(self, item: Item, mode: str) -> tuple[Tensor, Tensor]:
        name = file_of(item["image"]).replace("\\", "/").rsplit("/", 1)[-1]
        digest = hashlib.sha256(f"{self.seed}:{name}:{mode}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        if len(source_size(item["image"])) == 3:
            view = _like(item["mask"], item["image"]) if "mask" in item else None
            truth = _like(item["label"], item["image"])
            return draw_in_volume(truth, view, self.label_spec, MODES[mode], generator)
        masks = _upright(self.label_spec.masks(_plain(item["label"])[None]))
        inside = _upright(_plain(item["mask"])[None] > 0) if "mask" in item else None
        points, labels = draw_prompts(masks, MODES[mode], inside, generator)
        return points[0], labels[0]


class PromptsToNetworkd(MapTransform):
    """Move ``points`` from pixels of the source to those of the network's input, which ``image`` is by now.

    Those of a volume, (K, N, 3), are sorted by its slices; see `to_slices`.
    """

    def __init__(self) -> None:
        super().__init__("image")

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        item = dict(data)
        if "points" in item:
            move = to_slices if item["points"].shape[-1] == 3 else to_network
            item["points"], item["point_labels"] = move(item["points"], item["point_labels"], item["image"])
        return item


def to_network(points: Tensor, labels: Tensor, image: MetaTensor) -> tuple[Tensor, Tensor]:
    """Map points (…, 2) of a source picture to the upright picture ``image`` (3, S, S) made of it.

    With the affines A of the source and A' of ``image``, which has followed every flip, crop, padding and resizing:
    ``(row, column) = A'^-1 A (x, y)``. A point outside ``image`` becomes padding, a corner of a box is moved to its
    border.
    """
    moved = to_input(points.reshape(-1, 2).tolist(), image)[:, :2].view_as(points)
    last = torch.tensor([image.shape[-1], image.shape[-2]]) - 1.0
    seen = ((moved >= -0.5) & (moved <= last + 0.5)).all(-1)
    corner = labels >= TOP_LEFT
    moved = torch.where(corner[..., None], moved.clamp(torch.zeros(2), last), moved)
    labels = torch.where(seen | corner, labels, PADDING)
    return moved * (labels != PADDING)[..., None], labels


def _like(array: Tensor, image: MetaTensor) -> MetaTensor:
    """Give an array the affine of the image whose grid it lies on."""
    return MetaTensor(_plain(array), affine=image.affine)


def _plain(array: Tensor) -> Tensor:
    return array.as_tensor() if isinstance(array, MetaTensor) else array


def _upright(masks: Tensor) -> Tensor:
    """Turn (…, W, H), the order of MONAI's reader of pictures, to (…, row, column)."""
    return masks.transpose(-1, -2)
