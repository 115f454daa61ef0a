"""The BALR-SAM bundle: training, evaluation and inference of a CT and of pictures, its ids, and its merged model."""

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
from monai_samadapt.engines.artefacts import network_from_adapter
from monai_samadapt.metrics import case_metrics
from monai_samadapt.networks import BALRSam

TRAINING = {"checkpoint": "random", "val_interval": 1, "learning_rate": 1e-3, "num_workers": 0}
CT_LABELS = ["Liver", "Spleen", "Kidneys", "Lesion"]
BASES = ("train", "evaluate", "inference", "metadata")


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def balr(bundle: Any) -> Any:
    return type(bundle)(bundle.root.parent / "balr_sam")


@pytest.fixture(scope="module")
def run(balr: Any, ct_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A short CT run: its folder, and the ids that evaluation and inference share with it."""
    folder, ids = tmp_path_factory.mktemp("balr"), {"dataset_dir": str(ct_data), "labels": CT_LABELS}
    training = {**TRAINING, "max_epochs": 12, "samples_per_volume": 8, "learning_rate": 2e-3, "val_interval": 3}
    balr.run("train+ct", output_dir=str(folder), **ids, **training)
    return folder, {**ids, "model_file": str(folder / "model.pt")}


def test_ct_from_training_to_files(balr: Any, run: tuple[Path, dict[str, Any]], tmp_path: Path, ct_data: Path) -> None:
    """Evaluation of the validation case has the Dice of training; the predicted file has the metrics of evaluation."""
    folder, ids = run
    validation = {"test": read(ct_data / "datalist.json")["validation"]}
    (tmp_path / "list.json").write_text(json.dumps(validation), encoding="utf-8")
    report = {"section": "validation", "report_dir": str(tmp_path / "report")}
    balr.run("train+evaluate+ct", output_dir=str(folder), **ids, **report)
    rows = read_csv(tmp_path / "report" / "cases.csv")
    best = max(float(row["val_mean_dice"] or 0) for row in read_csv(folder / "history.csv"))
    assert np.mean([float(row["dice"]) for row in rows]) == pytest.approx(best, abs=1e-6) and best > 0.005
    inference = {"datalist": str(tmp_path / "list.json"), "probabilities": True, "output_dir": str(tmp_path)}
    balr.run("inference+ct", **ids, **inference)
    name = Path(validation["test"][0]["image"]).name.removesuffix(".nii.gz")
    pred, prob = (nib.load(tmp_path / "images" / f"{name}_{kind}.nii.gz") for kind in ("seg", "prob"))
    truth = nib.load(ct_data / "labels" / f"{name}.nii.gz")
    assert np.allclose(pred.affine, truth.affine)
    arrays, scores = [np.asarray(item.dataobj)[None] for item in (pred, truth)], np.moveaxis(prob.get_fdata(), -1, 0)
    spec = network_from_adapter(folder).label_spec
    found = case_metrics(*arrays, [float(step) for step in truth.header.get_zooms()], spec, prob=scores)
    for row, reported in zip(found, rows, strict=True):
        for metric in ("dice", "hd95", "auc"):
            assert float(reported[metric]) == pytest.approx(float(row[metric]), rel=1e-5, abs=1e-6)
    # softmax: with the background the channels sum to 1, and a voxel has the label of the largest
    background = 1 - scores.sum(0)
    assert background.min() > -1e-5
    assert (np.argmax(np.concatenate([background[None], scores]), 0) == arrays[0][0]).mean() > 0.999


def test_pictures_with_overlapping_labels_and_a_boundary_head(balr: Any, picture_data: Path, tmp_path: Path) -> None:
    """The disc contains the cup; inference has to build the head that training had."""
    ids = {"dataset_dir": str(picture_data), "labels": {"Disc": [1, 2], "Cup": 2}, "boundary_head": True}
    training = {**TRAINING, "max_epochs": 24, "batch_size": 1, "learning_rate": 2e-3, "val_interval": 4}
    balr.run("train+image2d", output_dir=str(tmp_path), **ids, **training)
    ids["model_file"] = str(tmp_path / "model.pt")
    balr.run("train+evaluate+image2d", output_dir=str(tmp_path), report_dir=str(tmp_path / "report"), **ids)
    balr.run("inference+image2d", output_dir=str(tmp_path / "pred"), **ids)
    case = read(picture_data / "datalist.json")["test"][0]
    label, view = (np.asarray(Image.open(picture_data / case[key])) for key in ("label", "mask"))
    rows = {row["label"]: float(row["dice"]) for row in read_csv(tmp_path / "report" / "cases.csv")}
    for name, truth in {"Disc": label > 0, "Cup": label == 2}.items():
        pixels = np.asarray(Image.open(tmp_path / "pred" / "images" / f"{case['subject']}_seg_{name}.png"))
        pred, inside = pixels > 0, view > 0
        overlap = 2 * float((pred & truth & inside).sum()) / float((pred & inside).sum() + (truth & inside).sum())
        assert rows[name] == pytest.approx(overlap, abs=1e-6)
    assert max(rows.values()) > 0
    without = {**ids, "boundary_head": False}
    assert "does not fit the network" in str(
        balr.refuse("inference+image2d", output_dir=str(tmp_path / "x"), **without)
    )


@pytest.mark.parametrize("overlay", ["image2d", "ct"])
def test_prompts_end_evaluation_in_one_line_before_it_starts(
    balr: Any, picture_data: Path, ct_data: Path, tmp_path: Path, overlay: str
) -> None:
    data, labels = (picture_data, {"Rim": 1, "Cup": 2}) if overlay == "image2d" else (ct_data, CT_LABELS)
    torch.save(BALRSam("vit_nano", 64, labels, checkpoint="random").state_dict(), tmp_path / "model.pt")
    ids = {"dataset_dir": str(data), "labels": labels, "model_file": str(tmp_path / "model.pt")}
    line = balr.refuse(f"train+evaluate+{overlay}", output_dir=str(tmp_path / "x"), prompt_modes=["box"], **ids)
    assert "has prompts (box), and BALRSam takes none; leave prompt_modes and prompts out" in str(line)


def test_start_of_a_run_prints_counts_and_truncation(
    balr: Any, picture_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {"dataset_dir": str(picture_data), "labels": {"Rim": 1, "Cup": 2}, "batch_size": 4, "max_epochs": 1}
    balr.run("train+image2d", output_dir=str(tmp_path), **ids, **TRAINING)
    lines = capsys.readouterr().out.splitlines()
    report = BALRSam("vit_nano", 64, ids["labels"], checkpoint="random").start_report().splitlines()
    assert len(report) == 2 and set(report) <= set(lines)


def test_ids_reach_what_they_set(balr: Any, ct_data: Path, tmp_path: Path) -> None:
    switches = {"detail": False, "attention_lora": True, "feature_adapter": False, "tensor_attention": False}
    ids = {"rank": 4, "adapter_width": 8, "train_decoder": False, "weight_decay": 0.3, "power": 7.0, "warmup_steps": 1}
    data = {"dataset_dir": str(ct_data), "labels": CT_LABELS, "output_dir": str(tmp_path), "checkpoint": "random"}
    workflow = balr.workflow("train+ct", max_epochs=50, **switches, **ids, **data)
    network, run = workflow.network_def, workflow.train_handlers[-1]
    expected = {**switches, "rank": 4, "adapter_width": 8, "train_decoder": False, "boundary_head": False}
    assert {key: network.settings[key] for key in expected} == expected
    assert network.parameter_report().parts.keys() == {"attention LoRA", "class tokens"}
    assert sorted(group["weight_decay"] for group in run.optimizer.param_groups) == [0.0, 0.3]
    total = 50 * len(workflow.train_dataset)  # batches of one volume
    assert run.scheduler.lr_lambdas[0](total // 2) == pytest.approx(0.5**7, rel=0.1)
    assert run.scheduler.lr_lambdas[0](0) == 1.0


@pytest.mark.parametrize(("key", "value"), [("rank", 0), ("rank", "16"), ("adapter_width", 0)])
def test_rank_and_width_below_one_are_refused(balr: Any, ct_data: Path, tmp_path: Path, key: str, value: Any) -> None:
    ids = {
        "dataset_dir": str(ct_data),
        "labels": CT_LABELS,
        "output_dir": str(tmp_path / "run"),
        **TRAINING,
        key: value,
    }
    assert str(balr.refuse("train+ct", **ids)).startswith(f"{key}={value!r}: is no positive number")


def test_merge_writes_a_model_that_runs_alone(
    balr: Any, run: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = run
    assert cli.main(["merge", str(folder), "--to", str(tmp_path)]) == 0
    assert "no stock checkpoint: balr_sam adds modules" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "model.ts"]
    network = network_from_adapter(folder)
    image = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(image)
        torch.testing.assert_close(torch.jit.load(tmp_path / "model.ts")(image), expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.01
    network.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True), strict=True)
    assert torch.equal(network(image), expected)


def test_overlays_are_those_of_every_bundle(bundle: Any, balr: Any) -> None:
    folders = [root / "configs" for root in (bundle.root, balr.root)]
    overlays = [{path.name for path in folder.glob("*.json") if path.stem not in BASES} for folder in folders]
    assert overlays[0] == overlays[1] >= {"ct.json", "image2d.json"}
    for name in overlays[0]:
        assert read(folders[0] / name) == read(folders[1] / name), name


def test_ids_are_those_of_every_bundle(bundle: Any, balr: Any) -> None:
    for config in ("train", "inference"):
        theirs, ours = (read(root / "configs" / f"{config}.json") for root in (bundle.root, balr.root))
        assert theirs.keys() - ours.keys() == {"label_embeddings"}, config
