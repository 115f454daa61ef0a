"""The report of a real evaluator on files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from PIL import Image

from monai_samadapt.metrics import SegmentationMetrics
from monai_samadapt.reports import ReportHandler
from monai_samadapt.reports.cases import read_cases
from monai_samadapt.reports.drawing import EXTRA, MISSED
from monai_samadapt.reports.extremes import ExtremeCases, case_title, keep_case
from monai_samadapt.reports.keeper import _apart, find_overlays
from monai_samadapt.transforms import DataSpec

AFFINE = np.array([[0, -1.5, 0, 0], [2.0, 0, 0, 0], [0, 0, 4.0, 0], [0, 0, 0, 1]])  # oriented A, L, S
CT = DataSpec("ct", ["Liver"], image_size=32, window=(0, 100))
PICTURES = DataSpec("image2d", ["lung"], image_size=32)


class Threshold(torch.nn.Module):
    """Predicts label 1 where the normalised image is bright."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        bright = image[:, :1] - image.amax() / 2
        return torch.cat([torch.zeros_like(bright), bright], dim=1)


def evaluate(items: list[dict], data: DataSpec, output_dir: Path, **options: object) -> SupervisedEvaluator:
    metric = SegmentationMetrics(data.labels, spacing=data.metric_spacing)
    transforms = data.evaluation_transforms()
    engine = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(items, transforms), batch_size=1),
        network=Threshold(),
        postprocessing=data.postprocessing(transforms),
        key_val_metric={"val_mean_dice": metric},
        val_handlers=[ReportHandler(output_dir, metric, data, **options)],
    )
    engine.run()
    return engine


def volume_item(folder: Path, name: str, truth: slice, bright: slice) -> dict[str, str]:
    """Volumes of 16 x 20 x 5 voxels; label and bright part are given along the first axis, which runs to anterior."""
    for kind, part, value in (("image", bright, 100.0), ("label", truth, 1)):
        array = np.zeros((16, 20, 5), np.float32 if kind == "image" else np.uint8)
        array[part, 4:16, 1:4] = value
        (folder / kind).mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array, AFFINE), folder / kind / name)
    return {kind: str(folder / kind / name) for kind in ("image", "label")}


@pytest.fixture
def volumes(tmp_path: Path) -> list[dict[str, str]]:
    return [
        volume_item(tmp_path, "good.nii.gz", slice(2, 14), slice(2, 14)),
        volume_item(tmp_path, "missed.nii.gz", slice(2, 14), slice(0, 0)),
        volume_item(tmp_path, "half.nii.gz", slice(2, 14), slice(8, 14)),
    ]


def test_tables_overlays_and_print_of_a_volume_evaluation(tmp_path: Path, volumes, capsys):
    out = tmp_path / "report"
    engine = evaluate(volumes, CT, out, max_overlays=2)
    good, _, half = (row["dice"] for row in read_cases(out / "cases.csv"))
    names = [path.name for path in find_overlays(out / "overlays")]
    assert names == ["00_dice0.000_missed.png", f"01_dice{half:.3f}_half.png", f"best_00_dice{good:.3f}_good.png"]
    with open(out / "cases.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["state"], row["prompts"]) for row in rows] == [
        ("good.nii.gz", "present", "none"),
        ("missed.nii.gz", "missed", "none"),
        ("half.nii.gz", "present", "none"),
    ]
    assert float(rows[1]["hd95"]) == pytest.approx(np.linalg.norm([16 * 2, 20 * 1.5, 5 * 4]))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["overall"]["metrics"]["dice"]["mean"] == pytest.approx(engine.state.metrics["val_mean_dice"])
    printed = capsys.readouterr().out
    assert "Liver" in printed
    assert str(out) in printed


def test_the_picture_of_a_volume_stands_upright(tmp_path: Path, volumes):
    # "half" lacks the posterior half of the truth: the errors are at the lower side of the panel.
    evaluate([volumes[2]], CT, tmp_path / "report")
    (path,) = (tmp_path / "report" / "overlays").iterdir()
    picture = np.asarray(Image.open(path).convert("RGB"), float) / 255
    body = picture[: int(picture.shape[0] * 0.9)]  # without the legend
    missed = np.argwhere(np.abs(body - to_rgb(MISSED)).max(axis=2) < 0.02)
    height, width = missed.max(axis=0) - missed.min(axis=0)
    assert missed[:, 0].mean() > 0.5 * body.shape[0]
    # with the corners of the upper half: 12 rows of 2 mm, 12 columns of 1.5 mm
    assert height / width == pytest.approx(12 * 2 / (12 * 1.5), rel=0.02)


def test_the_picture_of_a_picture_stands_upright(tmp_path: Path):
    image, label = np.zeros((2, 24, 48), np.uint8)
    image[2:22, 2:20], label[2:22, 2:12] = 255, 1  # extra: the right part of the bright left side
    for name, array in (("image.png", image), ("label.png", label)):
        Image.fromarray(array).save(tmp_path / name)
    item = {"image": str(tmp_path / "image.png"), "label": str(tmp_path / "label.png")}
    engine = evaluate([item], PICTURES, tmp_path / "report")
    assert 0.5 < engine.state.metrics["val_mean_dice"] < 0.9
    (path,) = (tmp_path / "report" / "overlays").iterdir()
    picture = np.asarray(Image.open(path).convert("RGB"), float) / 255
    body = picture[: int(picture.shape[0] * 0.8)]
    extra = np.argwhere(np.abs(body - to_rgb(EXTRA)).max(axis=2) < 0.02)
    size = extra.max(axis=0) - extra.min(axis=0)
    assert size[0] / size[1] == pytest.approx(20 / 8, rel=0.15)
    assert "px" in (tmp_path / "report" / "cases.csv").read_text()


def test_a_second_report_replaces_the_first(tmp_path: Path, volumes):
    out = tmp_path / "report"
    evaluate(volumes, CT, out)
    (out / "overlays" / "mine.png").write_bytes(b"kept")
    evaluate(volumes[:1], CT, out)
    names = sorted(path.name for path in (out / "overlays").iterdir())
    assert len(names) == 2
    assert names[0].startswith("00_dice")
    assert names[0].endswith("_good.png")
    assert names[1] == "mine.png"


def test_no_overlays_when_none_are_wanted(tmp_path: Path, volumes):
    evaluate(volumes[:1], CT, tmp_path / "report", max_overlays=0, best_overlays=0)
    assert not (tmp_path / "report" / "overlays").exists()


def kept(score: float) -> object:
    rows = [{"file": str(score), "label": "Liver", "dice": score, "state": "present", "prompts": "none"}]
    label = np.zeros((1, 3000, 2100), np.uint8)
    return keep_case(rows, label, label, np.eye(4), "")


def test_only_the_worst_cases_are_held_and_in_small(tmp_path: Path):
    worst, built = ExtremeCases(2), []
    for score in (0.9, 0.5, 0.7, 0.95, 0.2, 0.8):
        worst.offer(score, lambda value=score: built.append(value) or kept(value))
    assert [case.score for case in worst.cases] == [0.2, 0.5]
    assert built == [0.9, 0.5, 0.7, 0.2]
    assert worst.cases[0].truths[0].shape == (1, 700, 1000)
    assert worst.cases[0].truths[0].base is None


def test_the_best_cases_are_held_without_empty_ones():
    best, built = ExtremeCases(2, best=True), []
    for score in (0.5, math.inf, 0.9, 0.2, 0.7):
        best.offer(score, lambda value=score: built.append(value) or kept(value))
    assert [case.score for case in best.cases] == [0.9, 0.7]
    assert built == [0.5, 0.9, 0.7]


def test_few_cases_are_worst_or_best() -> None:
    cases = [(0.1 * index, str(index), "none") for index in range(5)]
    for count, worst in ((1, 1), (2, 1), (3, 2), (4, 2), (5, 3)):
        own = cases[:count]
        assert _apart(own, own[::-1][:3]) == (own[:worst], own[worst:][::-1])
    assert _apart(cases[:2], cases[:2:-1]) == (cases[:2], [cases[4], cases[3]])


def test_a_title_names_the_worst_labels():
    one = {"file": "/d/a.nii.gz", "state": "present", "prompts": "none"}
    rows = [one | {"label": f"L{index}", "dice": index / 10} for index in range(7)]
    rows[0]["state"] = "missed"
    assert case_title(rows) == "a.nii.gz: mean Dice 0.300 (L0 missed, L1 0.100, L2 0.200, L3 0.300, L4 0.400, …)"
    empty = [{"file": "/d/b.png", "label": "x", "dice": float("nan"), "state": "empty", "prompts": "box"}]
    assert case_title(empty) == "b.png, prompts box: empty"
