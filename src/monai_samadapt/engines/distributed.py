"""What a training needs when several processes share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.distributed as dist
from monai.data import CacheDataset
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.processes import share


class SharedCacheDataset(CacheDataset):
    """A `CacheDataset` of this process's share of the items, so that no item is held twice.

    All shares are equally long: where the items do not divide, the first are seen twice. A share stays the same for the
    whole run, and is shuffled in itself.

    Attributes:
        all_data: the items of all processes.

    Args:
        data: the items of all processes.
        settings: of `CacheDataset`.
    """

    def __init__(self, data: Sequence[Any], **settings: Any) -> None:
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.all_data = list(data)
        super().__init__(data=share(self.all_data, rank, world, fill=True), **settings)


def distribute(network: SegmentationNetwork) -> nn.Module:
    """Let the gradients of a network be the means over all processes.

    Parameters that no loss reaches (`SegmentationNetwork.unreached_parameters`) are left out, so that nothing has to
    search for them in every step. Buffers are frozen weights, or the same everywhere, and are not sent around.
    """
    names = sorted(network.unreached_parameters())
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(network, names)
    device = next(network.parameters()).device
    devices = [device] if device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=devices, broadcast_buffers=False)
