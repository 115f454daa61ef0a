"""The SAM2LoRA bundle: fundus and CT from training to files, prompt modes, its ids, and its merged weights."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from monai_samadapt import cli
from monai_samadapt.backbones import build_sam2
from monai_samadapt.engines.artefacts import network_from_adapter
from monai_samadapt.networks import Sam2LoRA

BASE = {"variant": "hiera_nano", "checkpoint": "random"}
TRAINING = {**BASE, "val_interval": 4, "learning_rate": 2e-3, "num_workers": 0, "train_prompt_modes": ["5_points"]}
NESTED = {"Disc": [1, 2], "Cup": 2}


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def sam2_lora(bundle: Any) -> Any:
    return type(bundle)(bundle.root.parent / "sam2_lora")


@pytest.fixture(scope="module")
def run(sam2_lora: Any, picture_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A short fundus run on disc and cup: its folder, and the ids evaluation and inference share with it."""
    folder, ids = tmp_path_factory.mktemp("sam2_lora"), {"dataset_dir": str(picture_data), "variant": "hiera_nano"}
    sam2_lora.run("train+fundus_disc_cup", output_dir=str(folder), **{**ids, **TRAINING}, max_epochs=12, batch_size=2)
    return folder, ids


def test_training_logs_each_term_of_the_loss(run: tuple[Path, dict[str, Any]]) -> None:
    rows = read_csv(run[0] / "history.csv")
    for row in (rows[0], rows[-1]):
        terms = [float(row[f"loss_{name}"]) for name in ("bce", "dice", "tversky", "iou")]
        assert float(row["loss"]) == pytest.approx(sum(terms[:3]) + 0.1 * terms[3], rel=1e-4)
    assert float(rows[-1]["loss_bce"]) < 0.8 * float(rows[0]["loss_bce"])


def test_evaluation_has_a_row_for_each_case_label_and_mode(
    sam2_lora: Any, run: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One encoder pass an image, whatever the number of modes; a prompt changes the answer."""
    folder, ids = run
    passes: list[int] = []
    encode = Sam2LoRA.encode
    monkeypatch.setattr(Sam2LoRA, "encode", lambda self, image: (passes.append(len(image)), encode(self, image))[1])
    modes = ["none", "1_point", "5_points", "box", "points_box"]
    configs = "train+evaluate+fundus_disc_cup"
    sam2_lora.run(configs, output_dir=str(folder), report_dir=str(tmp_path), prompt_modes=modes, **ids)
    assert passes == [1]
    rows = read_csv(tmp_path / "cases.csv")
    assert len(rows) == len(modes) * 2 and {row["case"] for row in rows} == {rows[0]["case"]}
    assert [row["prompts"].split(" ")[0] for row in rows[::2]] == modes
    scores = {row["prompts"].split(" ")[0]: row["auc"] for row in rows if row["label"] == "Disc"}
    assert len(set(scores.values())) > 1
    assert {"dice", "iou", "auc", "sensitivity", "specificity", "hd95"} <= rows[0].keys()


def test_inference_by_prompts_in_source_pixels(
    sam2_lora: Any, run: tuple[Path, dict[str, Any]], picture_data: Path, tmp_path: Path
) -> None:
    """The file has the source's size, the cup lies in the disc, and the network's answer to the same prompt is it."""
    folder, ids = run
    case = json.loads((picture_data / "datalist.json").read_text())["test"][0]
    label = np.asarray(Image.open(picture_data / case["label"]))
    y, x = (int(value) for value in np.argwhere(label == 2).mean(0).round())
    prompts = {case["image"]: {"Cup": {"points": [[x, y]], "point_labels": [1]}}}
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    found = {}
    for name, extra in {"none": {}, "cup": {"prompts_file": str(tmp_path / "prompts.json")}}.items():
        settings = {**ids, "model_file": str(folder / "model.pt"), "datalist": str(picture_data / "datalist.json")}
        sam2_lora.run("inference+fundus_disc_cup", output_dir=str(tmp_path / name), **settings, **extra)
        masks = {
            key: np.asarray(Image.open(tmp_path / name / "images" / f"{case['subject']}_seg_{key}.png")) > 0
            for key in NESTED
        }
        assert masks["Disc"].shape == label.shape
        assert not (masks["Cup"] & ~masks["Disc"]).any()
        found[name] = masks
    assert (found["none"]["Disc"] == found["cup"]["Disc"]).all()  # the disc was not prompted


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({"points": [[500, 3]], "point_labels": [1]}, "outside"),
        ({"box": [5, 5, 5, 20]}, "area"),
        ({"points": [[5, 5]]}, "point_labels"),
    ],
)
def test_wrong_prompts_are_refused(
    sam2_lora: Any,
    run: tuple[Path, dict[str, Any]],
    picture_data: Path,
    tmp_path: Path,
    prompt: dict[str, Any],
    message: str,
) -> None:
    folder, ids = run
    case = json.loads((picture_data / "datalist.json").read_text())["test"][0]
    (tmp_path / "prompts.json").write_text(json.dumps({case["image"]: {"Disc": prompt}}))
    settings = {**ids, "model_file": str(folder / "model.pt"), "prompts_file": str(tmp_path / "prompts.json")}
    settings |= {"datalist": str(picture_data / "datalist.json"), "output_dir": str(tmp_path / "out")}
    error = str(sam2_lora.refuse("inference+fundus_disc_cup", **settings))
    assert message in error and Path(case["image"]).name in error


def test_ct_from_training_to_a_volume(sam2_lora: Any, ct_data: Path, tmp_path: Path) -> None:
    ids = {"dataset_dir": str(ct_data), "labels": ["Liver", "Spleen", "Kidneys", "Lesion"], "variant": "hiera_nano"}
    training = {**TRAINING, "max_epochs": 1, "val_interval": 1, "samples_per_volume": 4, "batch_size": 4}
    sam2_lora.run("train+ct", output_dir=str(tmp_path / "run"), **{**ids, **training})
    settings = {**ids, "model_file": str(tmp_path / "run" / "model.pt"), "datalist": str(ct_data / "datalist.json")}
    sam2_lora.run("inference+ct", output_dir=str(tmp_path / "out"), **settings)
    case = json.loads((ct_data / "datalist.json").read_text())["test"][0]
    source = nib.load(ct_data / case["image"])
    result = nib.load(tmp_path / "out" / case["image"].replace(".nii.gz", "_seg.nii.gz"))
    assert result.shape == source.shape and np.allclose(result.affine, source.affine)
    assert set(np.unique(np.asarray(result.dataobj))) <= set(range(5))


def test_adapter_restores_the_network(run: tuple[Path, dict[str, Any]]) -> None:
    network = network_from_adapter(run[0])
    model = torch.load(run[0] / "model.pt", weights_only=True)
    for name, value in network.state_dict().items():
        assert torch.equal(value, model[name]), name


def test_a_sam_variant_is_refused(sam2_lora: Any, bundle: Any, picture_data: Path, tmp_path: Path) -> None:
    ids = {"dataset_dir": str(picture_data), "output_dir": str(tmp_path / "run")}
    error = sam2_lora.refuse("train+fundus_disc", variant="vit_nano", checkpoint="random", **ids)
    assert error.key == "variant" and "hiera_nano" in error.remedy
    error = bundle.refuse("train+fundus_disc", variant="hiera_nano", checkpoint="random", **ids)
    assert error.key == "variant" and "vit_nano" in error.remedy


@pytest.mark.usefixtures("run")
def test_merged_tiny_loads_strictly_in_upstream(tmp_path: Path) -> None:
    """`samadapt merge` writes what ``build_sam2`` takes; its masks are those of the adapted network."""
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from sam2.build_sam import build_sam2 as upstream

    from monai_samadapt.backbones.sam2_encoder import encode_still
    from monai_samadapt.engines.artefacts import write_adapter
    from monai_samadapt.networks.decode import upsample
    from monai_samadapt.networks.decode_sam2 import decode_masks_sam2, encode_prompts_sam2
    from monai_samadapt.transforms import DataSpec

    network = Sam2LoRA("hiera_t", 128, ["Disc"], checkpoint="random", rank=4).eval()
    with torch.no_grad():
        for value in network.adapters.parameters().values():
            value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(value.numel())))
    write_adapter(tmp_path, network, DataSpec("fundus", ["Disc"], image_size=128))
    cli.main(["merge", str(tmp_path)])
    GlobalHydra.instance().clear()
    initialize_config_module("sam2", version_base="1.2")
    stock = upstream("configs/sam2.1/sam2.1_hiera_t.yaml", str(tmp_path / "sam2_merged.pt"), device="cpu")
    assert not (tmp_path / "label_tokens.safetensors").exists()
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    box = torch.tensor([[[10.0, 20, 90, 100]]])
    ours = build_sam2("hiera_t", 128, str(tmp_path / "sam2_merged.pt"))
    assert ours.state_dict().keys() == stock.state_dict().keys()
    with torch.no_grad():
        merged, _ = decode_masks_sam2(ours, encode_still(ours, image), encode_prompts_sam2(ours, None, None, box))
        assert (upsample(merged, 128) - network(image, boxes=box)).abs().max() < 1e-4
