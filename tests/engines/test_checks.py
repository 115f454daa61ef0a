"""Checks of settings and files before a run."""

from __future__ import annotations

import pytest
import torch

from monai_samadapt.engines.checks import check_device
from monai_samadapt.errors import SamAdaptError


def test_a_cuda_device_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device in ("cpu", "cuda", "cuda:0", "cuda:1"):
        check_device(device)
    with pytest.raises(SamAdaptError) as raised:
        check_device("cuda:2")
    assert str(raised.value) == "device='cuda:2': no such device; give one from cuda:0 to cuda:1"
