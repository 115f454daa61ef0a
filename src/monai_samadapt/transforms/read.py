"""Dictionary transforms that read images, labels and masks, and check them."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from typing import Any, Protocol

import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.transforms.grid import check_same_grid, file_of

Item = dict[Hashable, Any]


class SourceReader(Protocol):
    """Reads the files of a modality: `VolumeReader` or `PictureReader`."""

    def image(self, path: str, key: str = ...) -> MetaTensor:
        """Read intensities."""

    def label(self, path: str, key: str = ..., channels: int = ...) -> MetaTensor:
        """Read label values."""


class ReadImaged(MapTransform):
    """Read ``image``: float32 (C, …) in the order of the file's axes.

    Other entries of the item are left alone, so that a server may add its own (MONAI Label puts strings into
    ``image_path`` and the like).
    """

    def __init__(self, reader: SourceReader) -> None:
        super().__init__("image")
        self.reader = reader

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        item = dict(data)
        item["image"] = self.reader.image(_path(item, "image"), "image")
        return item


class ReadLabeld(MapTransform):
    """Read and encode ``label`` on the grid of the image, which is read before: uint8 (1, …) or (K, …).

    For overlapping labels it may be a list of K files, one for each label.

    Raises:
        SamAdaptError: when there is no label, it cannot be read, lies on another grid or has other values.
    """

    def __init__(self, reader: SourceReader, label_spec: LabelSpec) -> None:
        super().__init__("label")
        self.reader, self.label_spec = reader, label_spec

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        item = dict(data)
        paths = item.get("label")
        paths = paths if isinstance(paths, (list, tuple)) else [_path(item, "label")]
        expected = 1 if self.label_spec.values or len(paths) > 1 else self.label_spec.num_labels
        parts = [self.reader.label(str(path), "label", expected) for path in paths]
        for part in parts:
            check_same_grid(item["image"], part, "label")
        raw = parts[0].as_tensor() if len(parts) == 1 else torch.cat([_binary(part) for part in parts])
        item["label"] = MetaTensor(self.label_spec.encode(raw, paths[0]), meta=parts[0].meta)
        return item


class ReadMaskd(MapTransform):
    """Read an optional ``mask``, the field of view, on the grid of the image: uint8 (1, …), 1 where it is not zero."""

    def __init__(self, reader: SourceReader) -> None:
        super().__init__("mask")
        self.reader = reader

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        item = dict(data)
        if item.get("mask") is None:
            item.pop("mask", None)
            return item
        mask = self.reader.label(_path(item, "mask"), "mask")
        check_same_grid(item["image"], mask, "mask")
        if mask.shape[0] != 1:
            raise SamAdaptError("mask", file_of(mask), f"has {mask.shape[0]} channels", "give one, 0 outside the view")
        if not (mask.as_tensor() > 0).any():
            raise SamAdaptError("mask", file_of(mask), "is empty", "give a mask that is not 0 inside the field of view")
        item["mask"] = MetaTensor((mask.as_tensor() > 0).to(torch.uint8), meta=mask.meta)
        return item


def _path(item: Item, key: str) -> str:
    value = item.get(key)
    if isinstance(value, (str, os.PathLike)) and str(value):
        return os.fspath(value)
    image = item.get("image")
    owner = file_of(image) if isinstance(image, MetaTensor) else "an item"
    raise SamAdaptError(key, value, f"{owner} has no file for it", f"give the path of its {key} in the datalist")


def _binary(part: MetaTensor) -> torch.Tensor:
    """Bring 0 and 255 to 0 and 1, so that files of both kinds can be stacked."""
    raw = part.as_tensor()
    if raw.shape[0] != 1:
        raise SamAdaptError(
            "label", file_of(part), f"has {raw.shape[0]} channels, not 1", "give one file for each label"
        )
    return torch.where(raw == 255, torch.ones_like(raw), raw)
