"""Wrong settings end a run in one line with the key, the value and the remedy, before anything is written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_samadapt.engines import memory
from monai_samadapt.errors import OneLineExit

TRAINING = [
    ({"rank": 4}, "rank=4: S-SAM trains singular values, it has no rank; leave rank null"),
    ({"variant": "vit_x"}, "variant='vit_x': unknown SAM variant; choose one of vit_b"),
    ({"image_size": 100}, "image_size=100: not a multiple of 16 of at least 32; give e.g. 256 or 1024"),
    ({"modality": "mri"}, "modality='mri': is unknown; give one of ct, image2d"),
    ({"window": [240, -160]}, "window=[240, -160]: is no lower and upper bound; give lowest"),
    ({"spacing": -1.0}, "spacing=-1.0: is no size of a pixel; give"),
    ({"labels": []}, "labels=[]: no list of label names; give"),
    ({"labels": ["Liver", "Liver"]}, "labels=['Liver', 'Liver']: a name is empty or given twice; give"),
    ({"labels": ["Tumor #1"]}, "labels='Tumor ::1': MONAI's configuration reads '#' as '::'; name it without '#'"),
    ({"label_embeddings": "nowhere.safetensors"}, "label_embeddings='nowhere.safetensors': no such file; make it by"),
    ({"device": "gpu"}, "device='gpu': unknown device; give cpu"),
    ({"amp_dtype": "float8"}, "amp_dtype='float8': is unknown; give one of bfloat16, float16"),
    ({"batch_size": 0}, "batch_size=0: is no positive number; give 1 or more"),
    ({"samples_per_volume": 0}, "samples_per_volume=0: is no positive number; give 1 or more"),
    ({"val_interval": 0}, "val_interval=0: is no positive number; give 1 or more"),
    (
        {"checkpoint": "sam_vit_b"},
        "checkpoint='sam_vit_b': these are sam vit_b weights, not sam vit_nano; set variant to vit_b",
    ),
    (
        {"checkpoint": "nowhere.pth"},
        "checkpoint='nowhere.pth': no such file, and no name of",
    ),
    (
        {"checkpoint": "base#1.pth"},
        "checkpoint='base::1.pth': MONAI's configuration reads '#' as '::'; rename",
    ),
    ({"datalist": "nowhere.json"}, "nowhere.json': no such file; give a JSON file"),
]


@pytest.mark.parametrize(("ids", "line"), TRAINING, ids=lambda value: str(value)[:30])
def test_training_refuses(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, ids: dict[str, Any], line: str
) -> None:
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **{**ct_training, **ids})
    assert line in str(error)


def test_path_with_a_hash_sign_is_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a#b").mkdir()
    for key in ("dataset_dir", "output_dir", "datalist"):
        ids = {**ct_training, "output_dir": str(tmp_path / "run"), key: str(tmp_path / "a#b" / "c")}
        with pytest.raises(OneLineExit) as caught:
            bundle.run("train+ct", **ids)
        assert caught.value.error.key == key
        assert "rename the folder so that it has no '#'" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a#b"]
    assert not list((tmp_path / "a#b").iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("configs", ["train+ct", "train+evaluate+ct", "inference+ct"])
def test_cuda_is_refused_where_there_is_none(bundle: Any, ct_run: Any, tmp_path: Path, configs: str) -> None:
    ids = {**ct_run.ids, "device": "cuda", "report_dir": str(tmp_path / "report")}
    ids |= {} if configs == "train+ct" else {"model_file": ct_run.model["model_file"]}
    error = bundle.refuse(configs, output_dir=str(tmp_path / "report"), **ids)
    assert str(error) == "device='cuda': no CUDA device is available; set device to cpu"


def write_vit_b_names(path: Path) -> None:
    """The names and sizes by which weights of ViT-B are known, and no more."""
    state = {"image_encoder.patch_embed.proj.weight": torch.zeros(768, 3, 1, 1)}
    torch.save(state | {f"image_encoder.blocks.{index}.norm1.bias": torch.zeros(1) for index in range(12)}, path)


def test_weights_of_another_variant_are_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    write_vit_b_names(tmp_path / "base.pth")
    ids = {**ct_training, "checkpoint": str(tmp_path / "base.pth")}
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ids)
    assert error.key == "checkpoint"
    assert error.problem == "holds vit_b, not vit_nano"
    assert error.remedy == "set variant to vit_b or give the weights of vit_nano"


def test_file_that_holds_no_weights_is_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "base.pth").write_text("<html>404</html>")
    ids = {**ct_training, "checkpoint": str(tmp_path / "base.pth")}
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ids)
    assert error.problem.startswith("cannot be read as weights")


def test_setting_named_for_too_little_memory_fits(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free in (memory.training_bytes("vit_nano", 64, 8) - 1, memory.training_bytes("vit_nano", 64, 4, True)):
        with monkeypatch.context() as patch:
            patch.setattr(memory, "available_bytes", lambda device, free=free: free)
            error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ct_training)
            assert (error.key, error.value) == ("batch_size", 8)
            assert re.fullmatch(r"needs about \d+\.\d GiB on cpu, \d+\.\d are free", error.problem)
            assert error.remedy.startswith("set activation_checkpointing true")
            found = re.search(r"batch_size (\d+)", error.remedy)
            batch = int(found[1]) if found else 8
            memory.check_memory("vit_nano", 64, batch, True, False, "cpu")


def test_loss_that_is_not_finite_stops_with_the_files(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, ct_data: Path
) -> None:
    with pytest.raises(OneLineExit) as caught:
        bundle.run("train+ct", output_dir=str(tmp_path), **{**ct_training, "learning_rate": 1e30})
    line = str(caught.value)
    assert line.startswith("loss=nan: not finite in step 2, files ")
    assert line.endswith("; look at these files; else lower learning_rate or set amp false")
    training = json.loads((ct_data / "datalist.json").read_text(encoding="utf-8"))["training"]
    images = {str(ct_data / item["image"]) for item in training}
    named = set(re.findall(r"/\S+\.nii\.gz", line))
    assert named
    assert named < images  # those of the batch, not all
    assert {path.name for path in tmp_path.iterdir()} == {"preflight.json", "datalist.json"}


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
    (tmp_path / "model.pt").write_bytes(b"broken")
    error = bundle.refuse("inference+ct", output_dir=str(tmp_path / "b"), **ct_run.ids, model_file=model)
    assert error.key == "model_file"


def test_section_without_items_is_refused(bundle: Any, ct_run: Any, tmp_path: Path) -> None:
    error = bundle.refuse("train+evaluate+ct", output_dir=str(tmp_path / "r"), section="testing", **ct_run.model)
    assert str(error).startswith("section='testing': is no part of a datalist; give one of")
