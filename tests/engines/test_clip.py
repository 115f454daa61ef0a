"""Gradients are clipped between the backward pass and the step."""

from __future__ import annotations

import pytest
import torch
from monai.engines import SupervisedTrainer

from monai_samadapt.engines import ClipGradients
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import PlainUNet


def test_norm_before_the_step_is_at_most_one() -> None:
    network = PlainUNet(32, ["A"])
    before = [value.detach().clone() for value in network.parameters()]
    batch = [{"image": torch.randn(1, 3, 32, 32), "label": torch.ones(1, 2, 32, 32)}]
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=batch,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=lambda logits, target: 1e3 * (logits - target).square().sum(),
        train_handlers=[ClipGradients(network, 0.5)],
    )
    trainer.run()
    moved = torch.stack([(a - b.detach()).norm() for a, b in zip(before, network.parameters(), strict=True)]).norm()
    assert float(moved) == pytest.approx(0.5, rel=1e-3)  # plain gradient descent with a rate of 1 moves by the gradient


def test_refused() -> None:
    with pytest.raises(SamAdaptError, match=r"^max_norm=0"):
        ClipGradients(PlainUNet(32, ["A"]), 0)
