"""The memory of a step without data against closed forms, and an engine that runs out of memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.engines import SupervisedTrainer
from torch import nn

from monai_samadapt.engines import execute, exhausted, prepare_batch
from monai_samadapt.engines.memory_advice import StepModel, advice
from monai_samadapt.engines.memory_trace import LiveBytes, step_memory
from monai_samadapt.errors import OneLineExit
from monai_samadapt.losses import CEDiceLoss, CompositeLoss, FocalDiceLoss
from monai_samadapt.networks import METHODS, SSam

LABELS = ["A", "B"]
METHODS_HERE = [("s_sam", "vit_nano", FocalDiceLoss), ("balr_sam", "vit_nano", CEDiceLoss)]
METHODS_HERE += [("sam2_lora", "hiera_nano", CompositeLoss)]
MIB = 2**20


def test_peak_is_that_of_the_tensors_alive_together() -> None:
    with LiveBytes() as live:
        first = torch.zeros(MIB // 4)
        second = first + 1
        view = second.view(2, -1)
        del first
        third = second * 2
        del second, third, view
    assert live.peak == 2 * MIB
    assert live.now == 0


def test_tensors_of_before_do_not_count() -> None:
    weight = torch.zeros(512, 512)
    with LiveBytes([weight]) as live:
        kept = weight.t()
        out = kept + 1
    assert live.now == live.peak == out.numel() * 4


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("method", "variant", "loss"), METHODS_HERE)
def test_prediction_of_a_step_is_what_the_real_tensors_take(method: str, variant: str, loss: Any, half: bool) -> None:
    def make(checkpoint: str | None, checkpointing: bool = False) -> tuple[Any, nn.Module]:
        network = METHODS[method](variant, 128, LABELS, checkpoint=checkpoint, activation_checkpointing=checkpointing)
        return network, loss(LABELS)

    network, criterion = make("random")
    network.train()
    weights = [*network.parameters(), *network.buffers()]
    with LiveBytes(weights) as live:
        image, target = torch.randn(2, 3, 128, 128), torch.zeros(2, 1, 128, 128, dtype=torch.uint8)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            value = criterion(network(image), target)
        value.backward()
    said = step_memory(lambda: make(None), 128, 2, half)
    assert said.peak == pytest.approx(live.peak, rel=0.02)
    assert said.weights == sum(value.numel() * value.element_size() for value in weights)
    assert said.training == 3 * 4 * network.parameter_report().trainable
    assert step_memory(lambda: make(None, True), 128, 2, half).peak < 0.95 * said.peak


def test_any_batch_is_known_from_those_of_one_and_two() -> None:
    def make(checkpointing: bool) -> tuple[SSam, nn.Module]:
        return SSam("vit_nano", 64, LABELS, activation_checkpointing=checkpointing), FocalDiceLoss(LABELS)

    model = StepModel(make, 64, half=False)
    assert model.total(7, False) == pytest.approx(step_memory(lambda: make(False), 64, 7, False).total, rel=0.01)
    assert advice(model, 4, False, model.total(4, False)) == "close what else uses the memory"
    assert advice(model, 4, False, model.total(4, True)).startswith("set activation_checkpointing True (needs ")
    line = advice(model, 4, False, model.total(1, True))
    assert line.startswith("set activation_checkpointing True, batch_size 1, accumulation_steps 4 (needs ")
    assert advice(model, 4, False, model.total(1, True) - 1).startswith("lower image_size, take a smaller variant")


class Full(nn.Module):
    """A loss that finds no memory, with the words of a torch allocator."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if logits.device.type == "cpu" and type(logits) is torch.Tensor:
            raise self.error
        return logits.square().mean()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8589934592 bytes."),
    ],
)
def test_running_out_of_memory_ends_with_a_setting_that_fits(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    network = SSam("vit_nano", 64, LABELS, checkpoint="random")
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[{"image": torch.randn(4, 3, 64, 64), "label": torch.zeros(4, 1, 64, 64)}],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=Full(error),
        prepare_batch=prepare_batch,
    )
    monkeypatch.setattr(exhausted, "budget_bytes", lambda device: 24 * MIB)
    with pytest.raises(OneLineExit) as caught:
        execute(trainer)
    line = str(caught.value)
    assert line.startswith("batch_size=4: out of memory on cpu, 0.0 GiB can be had; the last epoch is saved; set ")
    assert "activation_checkpointing True" in line
    assert "\n" not in line


def test_another_error_stays_what_it_is() -> None:
    assert not exhausted.is_exhausted(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
