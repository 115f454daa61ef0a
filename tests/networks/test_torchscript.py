"""TorchScript of merged networks: the same numbers, and no device written into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_samadapt.networks import METHODS
from monai_samadapt.networks.torchscript import device_constants, graphs, traced

NANO = {"s_sam": "vit_nano", "balr_sam": "vit_nano", "sam2_lora": "hiera_nano"}


def _network(method: str) -> Any:
    torch.manual_seed(0)
    return METHODS[method](NANO[method], 64, ["Rim", "Cup"], checkpoint="random").eval()


def _devices(module: Any) -> int:
    return sum(len(device_constants(graph)) for graph in graphs(module))


@pytest.mark.parametrize("method", NANO)
def test_a_saved_trace_gives_the_same_and_holds_no_device(method: str, tmp_path: Path) -> None:
    network = _network(method)
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(image)
    torch.jit.save(traced(network), tmp_path / "model.ts")
    module = torch.jit.load(tmp_path / "model.ts")
    with torch.no_grad():
        torch.testing.assert_close(module(image), expected, atol=1e-5, rtol=1e-4)
        plain = torch.jit.trace(network, image)
    assert expected.std() > 0.01
    assert _devices(plain) > 0 and _devices(module) == 0


@pytest.mark.gpu
@pytest.mark.parametrize("method", NANO)
def test_a_trace_made_on_a_cpu_runs_on_a_gpu(method: str, tmp_path: Path) -> None:
    network = _network(method)
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.jit.save(traced(network), tmp_path / "model.ts")
    with torch.no_grad():
        expected = network(image)
        for module in (torch.jit.load(tmp_path / "model.ts", "cuda"), torch.jit.load(tmp_path / "model.ts").cuda()):
            torch.testing.assert_close(module(image.cuda()).cpu(), expected, atol=1e-3, rtol=1e-3)
