"""The optimiser and schedule all bundles share."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.networks import SegmentationNetwork


@exits_in_one_line
def adamw(network: SegmentationNetwork, learning_rate: float, weight_decay: float = 0.01) -> AdamW:
    """AdamW over exactly the trained parameters of a network.

    Weight matrices decay. Norms, biases, positions and the scale and shift of singular values do not: decay would pull
    the scale to 0 rather than to its neutral 1.
    """
    if isinstance(learning_rate, str) or not learning_rate >= 0:
        raise SamAdaptError("learning_rate", learning_rate, "is no rate", "give e.g. 1e-3")
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in network.trainable_parameters().items():
        matrix = parameter.ndim > 1 and not name.endswith("pos_embed")
        (decayed if matrix else kept).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
    fused = any(parameter.is_cuda for parameter in kept)
    return AdamW([group for group in groups if group["params"]], lr=learning_rate, fused=fused)


def warmup_polynomial(
    optimizer: Optimizer, max_epochs: int, epoch_length: int, power: float = 0.9, warmup_steps: int = 250
) -> LambdaLR:
    r"""Warm up linearly over ``warmup_steps`` or a twentieth of the run, if that is less, then decay polynomially.

    .. math:: lr_t = lr \cdot \min\Big(1, \frac{t + 1}{w}\Big) \cdot \Big(1 - \frac{t}{T}\Big)^{power}
    """
    total = max(1, max_epochs * epoch_length)
    warmup = max(1, min(warmup_steps, total // 20))

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / warmup) * (1 - min(step, total - 1) / total) ** power

    return LambdaLR(optimizer, factor)


def amp_dtype(name: str) -> torch.dtype:
    """``bfloat16`` or ``float16`` as a torch type.

    Raises:
        SamAdaptError: for another name.
    """
    known = {"bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in known:
        raise SamAdaptError("amp_dtype", name, "is unknown", f"give one of {', '.join(known)}")
    return known[name]
