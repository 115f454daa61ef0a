"""Inference and evaluation refuse, in one line, a model that is not there, broken, or trained with other settings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

INFERENCE = [
    (
        {"labels": ["Liver", "Spleen", "Kidneys", "Tumour"]},
        "labels=['Liver', 'Spleen', 'Kidneys', 'Tumour']: the model",
    ),
    ({"labels": ["Spleen", "Liver", "Kidneys", "Lesion"]}, "the model was trained with ['Liver', 'Spleen', 'Kidneys'"),
    ({"window": [-100, 100]}, "window=[-100.0, 100.0]: the model was trained with [-160.0, 240.0]; pass --window"),
    ({"image_size": 128}, "image_size=128: the model was trained with 64; pass --image_size as trained"),
    ({"neighbours": True}, "neighbours=True: the model was trained with False; pass --neighbours as trained"),
    ({"model_file": "nowhere.pt"}, "model_file='nowhere.pt': no such file; train first, or give the model.pt of a run"),
    ({"variant": "vit_x"}, "variant='vit_x': unknown SAM variant; choose one of"),
    ({"slice_batch": 0}, "slice_batch=0: is no positive number; give 1 or more"),
    ({"slice_batch": "8"}, "slice_batch='8': is no positive number; give 1 or more"),
    ({"amp_dtype": "float8"}, "amp_dtype='float8': is unknown; give one of bfloat16, float16"),
    ({"adapt_from_block": 99}, "adapt_from_block=99: vit_nano has blocks 0 to"),
    ({"dataset_dir": "nowhere"}, "dataset_dir='nowhere': no such folder; give the folder of the data set"),
]


@pytest.mark.parametrize(("ids", "line"), INFERENCE, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("configs", ["inference+ct", "train+evaluate+ct"])
def test_inference_and_evaluation_refuse(
    bundle: Any, ct_run: Any, tmp_path: Path, configs: str, ids: dict[str, Any], line: str
) -> None:
    output = str(tmp_path / "out")
    report = {"report_dir": output} if "evaluate" in configs else {}
    error = bundle.refuse(configs, output_dir=output, **report, **{**ct_run.model, **ids})
    assert line in str(error)


def test_order_of_labels_with_values_counts(bundle: Any, picture_run: Any, tmp_path: Path) -> None:
    ids = {**picture_run.model, "labels": {"Cup": 2, "Rim": 1}}
    error = bundle.refuse("inference+image2d", output_dir=str(tmp_path / "out"), **ids)
    assert error.key == "labels"


def test_model_that_does_not_fit_is_refused(bundle: Any, ct_run: Any, tmp_path: Path) -> None:
    """Without the description beside it, the weights themselves tell."""
    shutil.copy(ct_run.folder / "model.pt", tmp_path / "model.pt")
    model = str(tmp_path / "model.pt")
    for ids in ({"labels": ["Liver"]}, {"image_size": 128}):
        error = bundle.refuse(
            "inference+ct", output_dir=str(tmp_path / "a"), **{**ct_run.ids, **ids, "model_file": model}
        )
        assert error.key == "model_file"
        assert error.problem.startswith("does not fit the network")
    state = torch.load(model, weights_only=True)
    key, value = state.popitem()
    for content in (state, {**state, key: value, "another": value}):
        torch.save(content, tmp_path / "model.pt")
        error = bundle.refuse("inference+ct", output_dir=str(tmp_path / "b"), **ct_run.ids, model_file=model)
        assert error.problem.startswith("does not fit the network")
    (tmp_path / "model.pt").write_bytes(b"broken")
    error = bundle.refuse("inference+ct", output_dir=str(tmp_path / "b"), **ct_run.ids, model_file=model)
    assert error.key == "model_file"


def test_section_without_items_is_refused(bundle: Any, ct_run: Any, tmp_path: Path) -> None:
    error = bundle.refuse("train+evaluate+ct", output_dir=str(tmp_path / "r"), section="testing", **ct_run.model)
    assert str(error).startswith("section='testing': is no part of a datalist; give one of")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("configs", ["train+ct", "train+evaluate+ct", "inference+ct"])
def test_cuda_is_refused_where_there_is_none(bundle: Any, ct_run: Any, tmp_path: Path, configs: str) -> None:
    ids = {**ct_run.ids, "device": "cuda", "report_dir": str(tmp_path / "report")}
    ids |= {} if configs == "train+ct" else {"model_file": ct_run.model["model_file"]}
    error = bundle.refuse(configs, output_dir=str(tmp_path / "report"), **ids)
    assert str(error) == "device='cuda': no CUDA device is available; set device to cpu"
