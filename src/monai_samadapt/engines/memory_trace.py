"""The memory of a training step, from a step that is taken without data."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from monai_samadapt.labels import LabelSpec
from monai_samadapt.networks import SegmentationNetwork


@dataclass(frozen=True)
class StepMemory:
    """Bytes of a training step.

    Attributes:
        weights: parameters and buffers.
        training: gradients and the optimiser's two moments of the trained parameters.
        peak: the most that batch, activations and what is computed from them have at one time.
    """

    weights: int
    training: int
    peak: int

    @property
    def total(self) -> int:
        """All together."""
        return self.weights + self.training + self.peak


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that exist.

    Attributes:
        now: bytes of all tensors made inside the context that are still there.
        peak: the most there were.

    Args:
        before: tensors that were there before and do not count.
    """

    def __init__(self, before: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet(tensor.untyped_storage() for tensor in before)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return out

    def _count(self, storage: Any) -> None:
        if storage not in self._known:
            self._known.add(storage)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, storage.nbytes())

    def _forget(self, count: int) -> None:
        self.now -= count


class KnownRanges(TorchFunctionMode):
    """Lets ``torch.arange(…).tolist()``, which MONAI's losses list their axes by, have its values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.arange and not kwargs:
            out.tolist = partial(list, range(*args))
        return out


def step_memory(
    make: Callable[[], tuple[SegmentationNetwork, nn.Module]], size: int, batch: int, half: bool
) -> StepMemory:
    """Take forward and backward pass of a training step with tensors that have a shape and no data.

    Nothing is computed or allocated; the step's operations are those of the real one, so that every activation that is
    kept counts, whatever the method, its checkpointing and its frozen parts. Not seen is what a kernel needs inside.

    Args:
        make: gives network and loss; called on the meta device.
        size: side S of the images in pixels.
        batch: number of images.
        half: bfloat16 by autocast.
    """
    with torch.device("meta"):
        network, loss = make()
    network.train()
    spec: LabelSpec = network.label_spec
    channels = 1 if spec.exclusive else spec.num_labels
    trained = [value for value in network.parameters() if value.requires_grad]
    weights = _bytes([*network.parameters(), *network.buffers()])
    with FakeTensorMode():
        _without_data(network)
        _without_data(loss)
        autocast: AbstractContextManager[Any] = torch.autocast("cpu", torch.bfloat16) if half else nullcontext()
        with LiveBytes([*network.parameters(), *network.buffers()]) as live, KnownRanges():
            image = torch.empty(batch, 3, size, size)
            with autocast:
                logits = network(image)
                value = loss(logits, torch.zeros(batch, channels, size, size, dtype=torch.uint8))
            del logits
            value.backward()
        peak = live.peak
    return StepMemory(weights, 3 * _bytes(trained), peak)


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in {id(tensor): tensor for tensor in tensors}.values())


def _without_data(module: nn.Module) -> None:
    """Put tensors of the CPU without data in the place of those on the meta device."""
    made: dict[int, Any] = {}
    for part in module.modules():
        for table in (part._parameters, part._buffers):
            for name, value in table.items():
                if value is not None:
                    made.setdefault(id(value), _like(value))
                    table[name] = made[id(value)]


def _like(value: Tensor) -> Any:
    empty = torch.empty(value.shape, dtype=value.dtype)
    return nn.Parameter(empty, value.requires_grad) if isinstance(value, nn.Parameter) else empty
