"""Label names, the values they have in label files, and the channels they become."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch

from monai_samadapt.errors import SamAdaptError

MAX_COUNTED = 65535
MAX_LABELS = 255
SOFT = 32
"""More unknown values than this are no labels."""

Labels = Sequence[str] | Mapping[str, int | Sequence[int]]


@dataclass(frozen=True)
class LabelSpec:
    """The K structures of a task.

    Exclusive labels share one integer map: the network has C = K + 1 channels, background first. Overlapping labels
    have one binary map each: C = K.

    Attributes:
        names: K label names, in channel order.
        values: for each name the values it has in a one-channel label file; empty for multi-channel files.
        exclusive: whether a voxel has at most one label.
        by_name: whether the labels were given by name only, so that the values are 1 … K.
    """

    names: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    exclusive: bool
    by_name: bool = True

    @classmethod
    def parse(cls, labels: Labels, overlapping: bool = False) -> LabelSpec:
        """Read the id ``labels``.

        Args:
            labels: names (the k-th name has value k + 1; with ``overlapping`` it is the k-th channel of the file),
                or a mapping from name to one value or several; a value under two names makes the labels overlap.
            overlapping: label files have K channels of 0 and 1.

        Raises:
            SamAdaptError: when there is no label, a name twice or empty, or a value that is not a positive integer.
        """
        if isinstance(labels, str) or not labels:
            raise SamAdaptError("labels", labels, "no list of label names", 'give e.g. ["Liver", "Tumor"]')
        names = tuple(labels)
        if len(names) > MAX_LABELS:
            raise SamAdaptError("labels", len(names), f"are more than {MAX_LABELS}", "leave some out, or join some")
        if len(set(names)) != len(names) or not all(isinstance(name, str) and name.strip() for name in names):
            raise SamAdaptError("labels", labels, "a name is empty or given twice", "give each label one name")
        if not isinstance(labels, Mapping):
            values = tuple((index + 1,) for index in range(len(names)))
            return cls(names, () if overlapping else values, exclusive=not overlapping)
        groups = tuple(_as_values(labels[name], labels) for name in names)
        flat = [value for group in groups for value in group]
        return cls(names, groups, exclusive=len(set(flat)) == len(flat) and not overlapping, by_name=False)

    @property
    def num_labels(self) -> int:
        """K, the number of structures without the background."""
        return len(self.names)

    @property
    def num_channels(self) -> int:
        """C, the number of channels of the network's output: K + 1 for exclusive labels, else K."""
        return self.num_labels + int(self.exclusive)

    def check_values(self, given: Mapping[str, int | list[int]]) -> None:
        """Refuse a label whose values are not those that the data give the same name.

        Args:
            given: value or values by name, in the data's own list; may be empty.

        Raises:
            SamAdaptError: naming the first one.
        """
        if self.by_name and self.num_labels == 1:  # any one value will do
            return
        for name, values in zip(self.names, self.values, strict=False):
            own = given.get(name, list(values))
            own = own if isinstance(own, list) else [own]
            if not set(own) & set(values):
                problem = f"{name!r} would be {list(values)}, in the datalist it is {own}"
                raise SamAdaptError("labels", list(self.names), problem, f"give {json.dumps(dict(given))}")

    def encode(self, raw: Any, file: object = "label") -> torch.Tensor:
        """Turn a label file's array into the training target.

        Args:
            raw: array (1, …) of label values, or (K, …) of 0 and 1 for overlapping labels by channel.
            file: name of the file, for the error.

        Returns:
            Exclusive: uint8 (1, …) with 0 for background and k + 1 for the k-th label. Overlapping: uint8 (K, …).

        Raises:
            SamAdaptError: when the array has other values than the labels, or another number of channels.
        """
        array = torch.as_tensor(raw)
        if not self.values:
            return self._encode_channels(array, file)
        if array.shape[0] != 1:
            problem = f"has {array.shape[0]} channels, not 1"
            raise SamAdaptError("label", str(file), problem, "give an integer label map")
        groups = self._groups(array, file)
        masks = [reduce(torch.logical_or, [array == value for value in group]) for group in groups]
        if not self.exclusive:
            return torch.cat(masks).to(torch.uint8)
        target = torch.zeros_like(array, dtype=torch.uint8)
        for index, mask in enumerate(masks):
            target[mask] = index + 1
        return target

    def decode(self, target: torch.Tensor) -> torch.Tensor:
        """Turn targets or results back into what a label file holds.

        Args:
            target: as `encode` returns it, of any shape.

        Returns:
            Exclusive: each label's value, the first where it has several; uint8, or int32 for values above 255.
            Overlapping: the same maps of 0 and 1.
        """
        plain = torch.as_tensor(target)
        if not self.exclusive:
            return plain
        values = [0, *(group[0] for group in self.values)]
        if values == [*range(len(values))]:
            return plain
        dtype = torch.uint8 if max(values) < 256 else torch.int32
        return torch.tensor(values, dtype=dtype, device=plain.device)[plain.long()]

    def masks(self, target: torch.Tensor) -> torch.Tensor:
        """Turn a batch of targets, (B, 1, …) or for overlapping labels (B, K, …), into bool masks (B, K, …)."""
        if not self.exclusive:
            return target > 0
        values = torch.arange(1, self.num_labels + 1, device=target.device)
        return target == values.view(1, -1, *(1,) * (target.ndim - 2))

    def _groups(self, array: torch.Tensor, file: object) -> tuple[tuple[int, ...], ...]:
        found = _found(array)
        if self.by_name and self.num_labels == 1 and found <= {0.0, 255.0}:
            return ((255,),)
        allowed = {0.0} | {float(value) for group in self.values for value in group}
        if extra := sorted(found - allowed):
            shown = ", ".join(f"{value:g}" for value in extra[:8])
            more = f" and {len(extra) - 8} others" if len(extra) > 8 else ""
            problem = f"has values {shown}{more} outside {[int(value) for value in sorted(allowed)]}"
            raise SamAdaptError("label", str(file), problem, _remedy(extra))
        return self.values

    def _encode_channels(self, array: torch.Tensor, file: object) -> torch.Tensor:
        if array.shape[0] != self.num_labels:
            problem = f"has {array.shape[0]} channels for {self.num_labels} overlapping labels"
            raise SamAdaptError("label", str(file), problem, "give one channel for each label, in the order of labels")
        positive = array > 0
        if not torch.equal(array, positive.to(array.dtype) * array.max().clamp(min=1)):
            raise SamAdaptError("label", str(file), "is not binary", "give 0 and 1 (or 0 and 255) in every channel")
        return positive.to(torch.uint8)


def _remedy(extra: Sequence[float]) -> str:
    if not all(value.is_integer() for value in extra):
        return "resample label maps by the nearest neighbour"
    if len(extra) > SOFT:
        return "cut soft edges at half by samadapt prepare folders DATA --labels NAME, or save as PNG instead of JPG"
    return 'name every value in labels, e.g. {"Liver": 1, "Tumor": [2, 3]}'


def _found(array: torch.Tensor) -> set[float]:
    """The distinct values of an array; counting is much faster than sorting for the small integers of label maps."""
    if array.is_floating_point() or array.numel() == 0 or array.min() < 0 or array.max() > MAX_COUNTED:
        return {float(value) for value in torch.unique(array)}
    return {float(value) for value in torch.bincount(array.flatten().long()).nonzero().flatten()}


def _as_values(value: int | Sequence[int], labels: object) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    if not values or not all(isinstance(item, int) and item > 0 for item in values):
        raise SamAdaptError("labels", labels, "a value is not a positive integer", 'give e.g. {"Liver": 1}')
    return values
