"""MONAI's checks and exports of the network of a trained run: each gives what the network itself gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ckpt_export, onnx_export, verify_net_in_out
from torch import Tensor

from monai_samadapt.networks import SegmentationNetwork

BATCHES = (1, 3)
TOLERANCE = 1e-4


def images(batch: int) -> Tensor:
    return torch.randn(batch, 3, 64, 64, generator=torch.Generator().manual_seed(batch))


@pytest.fixture(scope="module")
def network(bundle: Any, ct_run: Any) -> SegmentationNetwork:
    """The trained network as ``inference.json`` builds it; ``model.pt`` loads strictly."""
    found: SegmentationNetwork = bundle.workflow("inference+ct", "infer", **ct_run.model).network_def
    found.load_state_dict(torch.load(ct_run.folder / "model.pt", weights_only=True), strict=True)
    return found.eval()


@pytest.fixture(scope="module")
def export_arguments(bundle: Any, ct_run: Any) -> dict[str, Any]:
    """The arguments of MONAI's export commands."""
    return {
        "net_id": "network_def",
        "ckpt_file": str(ct_run.folder / "model.pt"),
        "meta_file": str(bundle.root / "configs" / "metadata.json"),
        "config_file": bundle.files("inference+ct"),
        "input_shape": [2, 3, 64, 64],
        "use_trace": True,
        "variant": "vit_nano",
        "image_size": 64,
        "labels": ct_run.ids["labels"],
    }


def check(exported: Any, network: SegmentationNetwork) -> None:
    """Compare at batch sizes other than that of the export, on images that give structures."""
    for batch in BATCHES:
        with torch.no_grad():
            expected, found = network(images(batch)), torch.as_tensor(exported(images(batch)))
        assert expected.shape == (batch, 5, 64, 64)
        assert expected.std() > 0.01
        torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("spatial_shape", [[256, 256], [64, 64, "*"]], ids=["image", "volume"])
def test_network_gives_what_the_metadata_says(bundle: Any, spatial_shape: list[Any]) -> None:
    shape = {"_meta_::network_data_format::inputs::image::spatial_shape": spatial_shape}
    files = {"meta_file": str(bundle.root / "configs" / "metadata.json"), "config_file": bundle.files("inference")}
    ids = {"variant": "vit_nano", "checkpoint": "random", "image_size": spatial_shape[0]}
    verify_net_in_out("network_def", **files, device="cpu", any=3, **ids, **shape)
    with pytest.raises(ValueError, match="output channel number `3` doesn't match: `2`"):
        verify_net_in_out("network_def", **files, device="cpu", any=3, labels=["A", "B"], **ids, **shape)


def test_traced_network_is_equal(
    export_arguments: dict[str, Any], network: SegmentationNetwork, tmp_path: Path
) -> None:
    ckpt_export(filepath=str(tmp_path / "model.ts"), **export_arguments)
    check(torch.jit.load(tmp_path / "model.ts"), network)


@pytest.mark.slow
def test_exported_program_is_equal_for_any_batch(network: SegmentationNetwork, tmp_path: Path) -> None:
    program = torch.export.export(network, (images(2),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, tmp_path / "model.pt2")
    check(torch.export.load(tmp_path / "model.pt2").module(), network)


@pytest.mark.slow
def test_onnx_model_is_equal_for_any_batch(
    export_arguments: dict[str, Any], network: SegmentationNetwork, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")
    pytest.importorskip("onnxscript", reason="needs the extra export")
    axes = {"image": {0: "batch"}, "pred": {0: "batch"}}
    names = {"input_names": ["image"], "output_names": ["pred"], "dynamic_axes": axes}
    onnx_export(filepath=str(tmp_path / "model.onnx"), converter_kwargs=names, **export_arguments)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    check(lambda image: session.run(["pred"], {"image": image.numpy()})[0], network)
