"""Inference slice by slice, in batches, with constant memory on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from tqdm import tqdm

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.inferers.clicked import segment_clicked
from monai_samadapt.inferers.features import FeatureCache
from monai_samadapt.inferers.label_prompts import are_of_labels, decode_labels
from monai_samadapt.inferers.slice_prompts import PER_IMAGE, asked_labels, decode_slices, for_slices, is_given
from monai_samadapt.networks.base import SegmentationNetwork, with_background
from monai_samadapt.transforms.clicks import CLICKS

AMP_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class VolumeInferer(Inferer):
    """Runs a 2D network over the slices of volumes, or over images.

    Slices go to the network's device a batch at a time and come back as float32 on the CPU, so that the device needs
    the same memory for any number of slices; a volume may stay on the CPU from the start. In evaluation mode the
    network's ``merge()`` is called first and no gradients are kept.

    A promptable network encodes a picture once for all calls on it that follow each other. Prompts of the labels, one
    for each in their order, change the labels they are about alone; see `decode_labels`. From other prompts, which give
    one channel each, the logits of exclusive labels get their background channel, as they have without prompts.
    Where the meta of the input has `Clicks`, only these are answered; see `segment_clicked`.

    Args:
        slice_batch: slices, or images, in one call of the network.
        amp: mixed precision inside the network, by autocast on its device (bfloat16 on a CPU too); logits are float32.
        amp_dtype: ``bfloat16`` or ``float16``.
        progress: show a progress bar over the slices of each volume.

    Raises:
        SamAdaptError: for wrong settings.
    """

    def __init__(
        self, slice_batch: int = 8, amp: bool = False, amp_dtype: str = "bfloat16", progress: bool = False
    ) -> None:
        if not isinstance(slice_batch, int) or slice_batch < 1:
            raise SamAdaptError("slice_batch", slice_batch, "is no number of slices", "give e.g. 8")
        if amp_dtype not in AMP_DTYPES:
            raise SamAdaptError("amp_dtype", amp_dtype, "is unknown", f"give one of {', '.join(AMP_DTYPES)}")
        self.slice_batch, self.amp, self.progress = slice_batch, amp, progress
        self.amp_dtype = AMP_DTYPES[amp_dtype]
        self.features = FeatureCache()

    def __call__(self, inputs: Tensor, network: Any, *args: Any, **prompts: Any) -> Tensor:
        """Segment a batch.

        Args:
            inputs: (B, 3, S, S) or (B, 3, S, S, D).
            network: gives logits (N, C, S, S) for images (N, 3, S, S).
            args: further arguments of the network, the same in each call.
            prompts: keywords of the network; ``points``, ``point_labels`` and ``boxes`` have the batch B first. Those
                of a volume count for each of its slices, unless ``points`` (B, K, D, N, 2) and ``point_labels``
                (B, K, D, N) give each slice its own for all labels; see `decode_slices`.

        Returns:
            Logits as float32: (B, C, S, S) on the device of ``inputs``, or (B, C, S, S, D) on the CPU.

        Raises:
            SamAdaptError: when the network's weights were never loaded, or the input has another shape.
        """
        network = network.module if isinstance(network, (DataParallel, DistributedDataParallel)) else network
        self._check(inputs, network)
        images = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        training = getattr(network, "training", False)
        if not training and hasattr(network, "merge"):
            network.merge()
        clicks = inputs.meta.get(CLICKS) if isinstance(inputs, MetaTensor) else None
        with nullcontext() if training else torch.no_grad():
            if clicks is not None:
                with self._precision(_device(network, images.device)):
                    return segment_clicked(images, network, clicks)
            if images.ndim == 5:
                return self._volumes(images, network, args, prompts)
            return self._images(images, network, args, prompts)

    def _check(self, inputs: Tensor, network: Any) -> None:
        if getattr(network, "weights_loaded", True) is False:
            remedy = "give a checkpoint, or load models/model.pt of the same method, variant and labels"
            raise SamAdaptError("network", type(network).__name__, "its weights were never loaded", remedy)
        if inputs.ndim not in (4, 5) or inputs.shape[1] != 3:
            problem = "is neither (B, 3, S, S) nor (B, 3, S, S, D)"
            raise SamAdaptError("image", tuple(inputs.shape), problem, "use the transforms of DataSpec")

    def _images(self, images: Tensor, network: Any, args: tuple[Any, ...], prompts: Mapping[str, Any]) -> Tensor:
        parts = []
        for start in range(0, len(images), self.slice_batch):
            batch = slice(start, start + self.slice_batch)
            part = {
                name: value[batch] if name in PER_IMAGE and is_given(value) else value
                for name, value in prompts.items()
            }
            parts.append(self._call(images[batch], network, args, part).to(images.device, torch.float32))
        return torch.cat(parts)

    def _volumes(self, volumes: Tensor, network: Any, args: tuple[Any, ...], prompts: Mapping[str, Any]) -> Tensor:
        count, depth = len(volumes), volumes.shape[-1]
        logits: Tensor | None = None  # slices first in memory: each batch is written in one piece
        bar = tqdm(total=count * depth, desc="slices", unit="slice", disable=not self.progress)
        asked = asked_labels(prompts)
        for index, start, stop in self._batches(count, depth):
            batch = volumes[index, ..., start:stop].movedim(-1, 0).contiguous()
            own = for_slices(prompts, index, start, stop, by_slice=asked is not None)
            out = self._call(batch, network, args, own, None if asked is None else asked[index])
            if logits is None:
                logits = torch.empty((count, depth, *out.shape[1:]), dtype=torch.float32)
            logits[index, start:stop] = out
            bar.update(stop - start)
        bar.close()
        assert logits is not None
        return logits.movedim(1, -1)

    def _batches(self, count: int, depth: int) -> Iterator[tuple[int, int, int]]:
        for index in range(count):
            for start in range(0, depth, self.slice_batch):
                yield index, start, min(start + self.slice_batch, depth)

    def _call(
        self,
        batch: Tensor,
        network: Any,
        args: tuple[Any, ...],
        prompts: Mapping[str, Any],
        asked: Tensor | None = None,
    ) -> Tensor:
        device = _device(network, batch.device)
        moved = {name: value.to(device) if is_given(value) else value for name, value in prompts.items()}
        with self._precision(device):
            if isinstance(network, SegmentationNetwork) and network.promptable:
                features = self.features.get(network, batch.to(device))
                if asked is not None:
                    return decode_slices(network, features, asked, moved)
                return self._decode(features, network, args, moved)
            out: Tensor = network(batch.to(device), *args, **moved)
        return out

    def _precision(self, device: torch.device) -> AbstractContextManager[Any]:
        return torch.autocast(device.type, dtype=self.amp_dtype) if self.amp else nullcontext()

    def _decode(
        self, features: Any, network: SegmentationNetwork, args: tuple[Any, ...], prompts: Mapping[str, Any]
    ) -> Tensor:
        if not args and are_of_labels(prompts, network.label_spec):
            return decode_labels(network, features, prompts)
        logits = network.decode(features, *args, **prompts)
        prompted = any(is_given(value) for value in (*args[: len(PER_IMAGE)], *map(prompts.get, PER_IMAGE)))
        return with_background(logits, network.label_spec) if prompted else logits


def _device(network: Any, default: torch.device) -> torch.device:
    if isinstance(network, nn.Module):
        for parameter in network.parameters():
            return parameter.device
    return default
