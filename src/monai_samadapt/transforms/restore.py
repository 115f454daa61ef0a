"""From logits at the network's size back to label maps on the source grid."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, MapTransform
from monai.utils.enums import MetaKeys

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.prompts import NOWHERE
from monai_samadapt.transforms.clicks import CLICKS

ACTIVATIONS = ("sigmoid", "softmax")


class RestoreSegmentationd(MapTransform):
    """Undo the preprocessing on the logits by `Invertd` and decide for labels.

    The logits are interpolated linearly, then decided on the source grid: the largest channel for exclusive labels
    (background first; the lower channel wins a tie), ``logit > 0`` for overlapping ones. One channel at a time is on
    the source grid, unless probabilities are asked for: then all are, once.

    Args:
        preprocessing: the very transforms that made the image.
        exclusive: whether the labels exclude each other.
        probabilities: also give ``prob``, float32 (K, …) on the source grid, without background.
        activation: ``sigmoid`` of each label's logit, or ``softmax`` over background and labels.
        nested: each label lies inside the one before it; see `nest`. A label that was clicked on stands alone.
        confined: results and probabilities are 0 outside the item's ``mask`` and outside what the network has seen.

    Returns:
        ``pred`` as uint8: (1, …) with values 0…K for exclusive labels, (K, …) of 0 and 1 for overlapping ones; its
        affine is the source's. ``mask`` also as ``fov``, ``prompt_source`` as ``prompts``: MONAI's engines hand on to
        their metrics only the entries that were not in the item.

    Raises:
        SamAdaptError: for an unknown activation, or softmax of overlapping labels.
    """

    def __init__(
        self,
        preprocessing: Compose,
        exclusive: bool,
        probabilities: bool,
        activation: str,
        nested: bool = False,
        confined: bool = False,
    ) -> None:
        super().__init__("pred")
        if activation not in ACTIVATIONS:
            raise SamAdaptError("activation", activation, "is unknown", f"give one of {', '.join(ACTIVATIONS)}")
        if activation == "softmax" and not exclusive:
            raise SamAdaptError("activation", activation, "is for exclusive labels", "give sigmoid")
        self.exclusive, self.probabilities, self.activation = exclusive, probabilities, activation
        self.nested, self.confined = nested, confined
        self.invert = Invertd(keys="pred", transform=preprocessing, orig_keys="image", nearest_interp=False)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        image, logits = item["image"], item["pred"]
        channels: Iterable[torch.Tensor] = self._on_source_grid(logits, image)
        channels = nest(channels) if self.nested and CLICKS not in image.meta else channels
        inside = self._inside(item) if self.confined else 1
        meta = dict(image.meta) | {MetaKeys.AFFINE: torch.as_tensor(image.meta[MetaKeys.ORIGINAL_AFFINE])}
        if self.probabilities:
            stacked = stack(channels, len(logits))
            channels = stacked.split(1)
        item["pred"] = MetaTensor(decide(channels, self.exclusive) * inside, meta=dict(meta))
        if self.probabilities:
            item["prob"] = MetaTensor(self._probabilities(stacked).mul_(inside), meta=dict(meta))
        if "mask" in item:
            item["fov"] = item["mask"]
        if "prompt_source" in item:
            item["prompts"] = item["prompt_source"]
        return item

    def _on_source_grid(self, logits: torch.Tensor, image: MetaTensor) -> Iterator[torch.Tensor]:
        for channel in range(len(logits)):
            one = MetaTensor(logits[channel : channel + 1].float())
            yield self.invert({"pred": one, "image": image})["pred"].as_tensor()

    def _inside(self, item: Mapping[Hashable, Any]) -> torch.Tensor:
        """Where results may be, uint8 (1, …) on the source grid."""
        seen = next(self._on_source_grid(torch.ones_like(item["pred"][:1]), item["image"])) > 0.5
        return (seen & (item["mask"].as_tensor() > 0)).to(torch.uint8)

    def _probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Turn logits (C, …) into probabilities (K, …) in their place: those of a volume may fill half the memory."""
        if self.activation == "softmax":
            logits.sub_(logits.amax(0)).exp_()
            logits.div_(logits.sum(0))
        else:
            logits.sigmoid_()
        return logits[1:] if self.exclusive else logits


def stack(channels: Iterable[torch.Tensor], count: int) -> torch.Tensor:
    """Put ``count`` channels (1, …), given one by one, into one tensor, without holding them twice."""
    stream = iter(channels)
    first = next(stream)
    stacked = first.new_empty((count, *first.shape[1:]))
    stacked[0] = first[0]
    for index, channel in enumerate(stream, start=1):
        stacked[index] = channel[0]
    return stacked


def decide(channels: Iterable[torch.Tensor], exclusive: bool) -> torch.Tensor:
    """Turn C channels of logits (1, …), given one by one, into a label map (1, …) or binary maps (K, …), as uint8."""
    if not exclusive:
        return torch.cat([(channel > 0).to(torch.uint8) for channel in channels])
    stream = iter(channels)
    best = next(stream).clone()
    labels = torch.zeros_like(best, dtype=torch.uint8)
    for index, channel in enumerate(stream, start=1):
        labels[channel > best] = index
        torch.maximum(best, channel, out=best)
    return labels


def nest(channels: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Bound each channel of logits by those before it: ``z_k' = min(z_1, …, z_k)``, and so its probability too.

    A label is then nowhere without the labels it lies in: a cup only inside its disc. Labels that were not asked for,
    with logits of `NOWHERE`, bound nothing.
    """
    bound = torch.tensor(torch.inf)
    for channel in channels:
        bounded = torch.minimum(bound.to(channel), channel)
        yield bounded
        bound = torch.where(channel > NOWHERE / 2, bounded, bound.to(channel))


class DropChanneld(MapTransform):
    """Give ``pred`` the shape that MONAI Label's writers take: a map without channel axis.

    Exclusive labels lose their channel of one. Overlapping labels are painted into one map, a later label over an
    earlier one.
    """

    def __init__(self) -> None:
        super().__init__("pred")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        pred = item["pred"]
        painted = pred[0]
        for index, mask in enumerate(pred[1:], start=2):
            painted = torch.where(mask > 0, torch.full_like(painted, index), painted)
        item["pred"] = painted
        return item
