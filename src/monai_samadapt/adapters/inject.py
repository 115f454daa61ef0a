"""Put adapters into a model and keep them in hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from segment_anything.modeling.common import MLPBlock
from torch import Tensor, nn

from monai_samadapt.adapters.base import AdapterConfig, AdapterLayer
from monai_samadapt.adapters.bottleneck import BottleneckConfig, BottleneckMLP
from monai_samadapt.adapters.lora import LoRAConfig, LoRALinear
from monai_samadapt.adapters.svd import SVDConfig, SVDConv2d, SVDLinear
from monai_samadapt.errors import SamAdaptError

LAYERS: dict[tuple[type[AdapterConfig], type[nn.Module]], Any] = {
    (SVDConfig, nn.Linear): SVDLinear,
    (SVDConfig, nn.Conv2d): SVDConv2d,
    (LoRAConfig, nn.Linear): LoRALinear,
    (BottleneckConfig, MLPBlock): BottleneckMLP,
}


class Adapters:
    """The adapter layers of one model, by module name.

    Attributes:
        config: what was injected; None where nothing was.
        layers: module name to layer, in the order of ``config.targets``.
    """

    def __init__(self, config: AdapterConfig | None, layers: dict[str, AdapterLayer]) -> None:
        self.config, self.layers = config, layers

    def parameters(self) -> dict[str, nn.Parameter]:
        """The trainable parameters by full name, from the layers' own lists."""
        return {
            f"{module}.{name}": parameter
            for module, layer in self.layers.items()
            for name, parameter in layer.adapter_parameters().items()
        }

    def merge(self) -> None:
        """Merge every layer; merging twice changes nothing."""
        for layer in self.layers.values():
            layer.merge()

    def unmerge(self) -> None:
        """Unmerge every layer, exactly; unmerging twice changes nothing."""
        for layer in self.layers.values():
            layer.unmerge()

    def state(self) -> dict[str, Tensor]:
        """Copies of the trainable parameters on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.parameters().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Load what :meth:`state` gave.

        Raises:
            SamAdaptError: when the names or shapes are not those of this model's adapters.
        """
        load_tensors(self.parameters(), state)
        if any(layer.merged for layer in self.layers.values()):
            self.unmerge()


def load_tensors(parameters: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copy a state into named parameters and buffers, strictly.

    Raises:
        SamAdaptError: naming the first parameter that is missing, unknown or of another shape.
    """
    for name in sorted(parameters.keys() ^ state.keys()):
        problem = "is missing in the adapter file" if name in parameters else "is no parameter of this network"
        raise SamAdaptError("adapter", name, problem, "use the method, variant and labels the adapter was trained with")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != state[name].shape:
                problem = f"has shape {tuple(state[name].shape)} in the file, {tuple(parameter.shape)} in the network"
                raise SamAdaptError("adapter", name, problem, "use the image_size and labels it was trained with")
            parameter.copy_(state[name])


def inject(model: nn.Module, config: AdapterConfig, factors: Mapping[str, Any] | None = None) -> Adapters:
    """Replace each target module of ``model`` by its adapter layer, in place.

    Args:
        model: any module; its other parameters are left as they are.
        config: kind and targets.
        factors: for SVD, the factors of each target; without them they are zero, for a later ``load_state_dict``.

    Raises:
        SamAdaptError: when a target does not exist, or is no layer this kind can adapt.
    """
    layers: dict[str, AdapterLayer] = {}
    for name in config.targets:
        old = _find(model, name)
        kind = LAYERS.get((type(config), type(old)))
        if kind is None:
            problem = f"{type(old).__name__} cannot be adapted by {type(config).__name__}"
            raise SamAdaptError("targets", name, problem, "name a layer of that kind that has no adapter yet")
        extra = () if factors is None else (factors[name],)
        layers[name] = kind.replace(old, config, *extra)
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layers[name])
    return Adapters(config, layers)


def _find(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError as error:
        raise SamAdaptError("targets", name, "no such module", "print model.named_modules() for the names") from error
