"""The tokens of the frozen first blocks, computed once for each training sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils.data import Dataset

from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.processes import all_items

KEY = "prefix_key"
FREE = 0.1
"""Share of the machine's memory that the tokens leave free; samples beyond it are computed each time."""


class FixedCopies(Dataset[Any]):
    """A data set with a fixed number of augmented copies of each item, the same in every epoch.

    Item i is copy ``i // n`` of item ``i % n`` of n, whose random transforms draw from ``seed + i``. Each sample has a
    number of its own as ``prefix_key``. An epoch shows all copies.

    Args:
        dataset: has a ``transform`` and a fixed length n.
        copies: for each item.
        seed: of the run.
    """

    def __init__(self, dataset: Any, copies: int, seed: int) -> None:
        self.dataset, self.copies, self.seed = dataset, copies, seed

    @property
    def data(self) -> list[dict[str, Any]]:
        """The items, each once."""
        return all_items(self.dataset)

    def __len__(self) -> int:
        return self.copies * len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        self.dataset.transform.set_random_state((self.seed + index) % 2**32)
        drawn = self.dataset[index % len(self.dataset)]
        samples = drawn if isinstance(drawn, list) else [drawn]
        keyed = [{**sample, KEY: index * len(samples) + place} for place, sample in enumerate(samples)]
        return keyed if isinstance(drawn, list) else keyed[0]


def fixed_copies(dataset: Any, copies: int, seed: int) -> Any:
    """A data set of fixed copies, or with 0 copies the data set, augmented anew in every epoch."""
    return FixedCopies(dataset, copies, seed) if copies else dataset


class PrefixCache:
    """A trainer's ``prepare_batch`` that gives the encoder the tokens before its first adapted block.

    They are computed in float32 when a sample is seen first, kept in the machine's memory, and reused in every epoch:
    the blocks before ``adapt_from_block`` are frozen and have no dropout, so that the result is the same.

    Args:
        network: whose encoder begins at ``adapt_from_block``.
        prepare: the trainer's own ``prepare_batch``.
    """

    def __init__(self, network: SegmentationNetwork, prepare: Callable[..., Any]) -> None:
        self.network, self.prepare = network, prepare
        self.kept: dict[int, list[Tensor]] = {}

    def __call__(self, batch: dict[str, Any], device: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
        """Prepare the batch; the encoder is told the tokens of its images for the next call."""
        prepared = self.prepare(batch, device, non_blocking, **kwargs)
        self.network.encoder.given = self.tokens(batch[KEY].tolist(), prepared[0], non_blocking)
        return prepared

    def tokens(self, keys: Sequence[int], images: Tensor, non_blocking: bool = False) -> list[Tensor]:
        """The tokens of images (B, 3, S, S) on their device."""
        new = [place for place, key in enumerate(keys) if key not in self.kept]
        fresh: dict[int, list[Tensor]] = {}
        if new:
            with torch.no_grad():
                computed = self.network.encoder.prefix(images[new])
            fresh = {keys[place]: [part[row].cpu() for part in computed] for row, place in enumerate(new)}
            memory = psutil.virtual_memory()
            if memory.available > FREE * memory.total:
                self.kept |= fresh
        rows = [self.kept[key] if key in self.kept else fresh[key] for key in keys]
        return [torch.stack(parts).to(images.device, non_blocking=non_blocking) for parts in zip(*rows, strict=True)]


@exits_in_one_line
def with_prefix(network: SegmentationNetwork, prepare: Callable[..., Any], copies: int) -> Callable[..., Any]:
    """``prepare`` with a cache of the frozen prefix, or with 0 copies as it is.

    Raises:
        SamAdaptError: when no block is frozen.
    """
    if not copies:
        return prepare
    if network.encoder.adapt_from_block == 0:
        remedy = "set adapt_from_block to the first block to adapt, or prefix_copies 0"
        raise SamAdaptError("prefix_copies", copies, "no block is frozen that could be computed once", remedy)
    return PrefixCache(network, prepare)
