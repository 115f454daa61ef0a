"""The optimiser's groups and the schedule's factors by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_samadapt.engines import adamw, warmup_polynomial
from monai_samadapt.errors import OneLineExit
from monai_samadapt.networks import BALRSam


def test_norms_biases_and_singular_vectors_do_not_decay() -> None:
    network = BALRSam("vit_nano", 64, ["A"], checkpoint="random")
    optimizer = adamw(network, 1e-3, weight_decay=0.1)
    decay = {id(value): group["weight_decay"] for group in optimizer.param_groups for value in group["params"]}
    names = network.trainable_parameters()
    assert decay.keys() == {id(value) for value in names.values()}
    decayed = {name for name, value in names.items() if decay[id(value)] == 0.1}
    assert {decay[id(value)] for name, value in names.items() if name not in decayed} == {0.0}
    assert "detail.stem.0.weight" in decayed and "sam.image_encoder.blocks.0.attn.qkv.lora_B" in decayed
    assert not {name for name in decayed if name.endswith("bias") or names[name].ndim == 1}
    assert "detail.stem.1.weight" not in decayed  # the scale of a norm


@pytest.mark.parametrize("rate", ["high", -1, float("nan")])
def test_a_rate_that_is_none_ends_the_run_in_one_line(rate: Any) -> None:
    with pytest.raises(OneLineExit, match=r"learning_rate=.*: is no rate; give e.g. 1e-3"):
        adamw(BALRSam("vit_nano", 64, ["A"], checkpoint="random"), rate)


@pytest.mark.parametrize(
    ("options", "step", "expected"),
    [
        ({}, 0, 1 / 250),
        ({}, 249, (1 - 249 / 10_000) ** 0.9),
        ({}, 5_000, 0.5**0.9),
        ({"power": 7.0}, 5_000, 0.5**7),
        ({"warmup_steps": 100}, 49, 0.5 * (1 - 49 / 10_000) ** 0.9),
        ({"warmup_steps": 10_000}, 0, 1 / 500),
    ],
)
def test_schedule(options: dict[str, float], step: int, expected: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = warmup_polynomial(optimizer, 100, 100, **options)  # type: ignore[arg-type]
    assert schedule.lr_lambdas[0](step) == pytest.approx(expected, rel=1e-9)
