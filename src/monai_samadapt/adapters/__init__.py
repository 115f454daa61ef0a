"""Adapters: a frozen layer and a small trainable change, with one protocol for all kinds."""

from monai_samadapt.adapters.base import AdapterConfig, AdapterLayer
from monai_samadapt.adapters.bottleneck import BottleneckConfig, BottleneckMLP
from monai_samadapt.adapters.inject import Adapters, inject
from monai_samadapt.adapters.lora import LoRAConfig, LoRALinear
from monai_samadapt.adapters.report import ParameterReport
from monai_samadapt.adapters.svd import SVDConfig, SVDConv2d, SVDLinear

__all__ = [
    "AdapterConfig",
    "AdapterLayer",
    "Adapters",
    "BottleneckConfig",
    "BottleneckMLP",
    "LoRAConfig",
    "LoRALinear",
    "ParameterReport",
    "SVDConfig",
    "SVDConv2d",
    "SVDLinear",
    "inject",
]
