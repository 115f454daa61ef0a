"""Prompts through the bundle: modes of an evaluation, files, training with drawn prompts, and what is refused."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from monai_samadapt.networks import SSam

LABELS = ["Rim", "Cup"]


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def dice_of(rows: list[dict[str, str]], prompts: str) -> list[str]:
    return [row["dice"] for row in rows if row["prompts"] == prompts]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the network has encoded and decoded."""
    counts: Counter[str] = Counter()
    encode, decode = SSam.encode, SSam.decode

    def counted_encode(self: SSam, image: Tensor) -> Tensor:
        counts["encoded"] += 1
        return encode(self, image)

    def counted_decode(self: SSam, *args: Any, **keywords: Any) -> Tensor:
        counts["decoded"] += 1
        return decode(self, *args, **keywords)

    monkeypatch.setattr(SSam, "encode", counted_encode)
    monkeypatch.setattr(SSam, "decode", counted_decode)
    return counts


def evaluate(bundle: Any, run: Any, report: Path, **ids: Any) -> list[dict[str, str]]:
    bundle.run("train+evaluate+image2d", output_dir=str(run.folder), report_dir=str(report), **run.model, **ids)
    return read_csv(report / "cases.csv")


def test_each_prompt_mode_has_its_rows_and_its_figures(
    bundle: Any, picture_run: Any, passes: Counter[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modes = ["none", "5_points", "box", "points_box", "1_point"]
    plain = evaluate(bundle, picture_run, tmp_path / "plain", section="validation")
    passes.clear()
    capsys.readouterr()
    rows = evaluate(bundle, picture_run, tmp_path / "modes", section="validation", prompt_modes=modes)
    sources = ["none", *(f"{mode} (ground truth)" for mode in modes[1:])]
    assert [row["prompts"] for row in rows] == [source for source in sources for _ in LABELS]
    assert len({row["case"] for row in rows}) == 1 and "(2)" not in rows[-1]["case"]
    assert dice_of(rows, "none") == dice_of(plain, "none")
    assert len({tuple(dice_of(rows, source)) for source in sources}) > 1  # prompts change the answer
    assert (passes["encoded"], passes["decoded"]) == (1, 5)
    summary = json.loads((tmp_path / "modes" / "summary.json").read_text(encoding="utf-8"))
    summaries = [summary, *summary["other_prompts"]]
    assert [part["prompts"] for part in summaries] == sources
    for part in summaries:
        found = [part["labels"][label]["metrics"]["dice"]["mean"] for label in LABELS]
        assert found == pytest.approx([float(value) for value in dice_of(rows, part["prompts"])])
        assert part["cases"] == 1
    printed = capsys.readouterr().out
    assert all(f"prompts: {source}." in printed for source in sources)
    assert len(list((tmp_path / "modes" / "overlays").iterdir())) == 5


def test_results_do_not_depend_on_the_order_of_modes_but_on_the_seed(
    bundle: Any, picture_run: Any, tmp_path: Path
) -> None:
    first = evaluate(bundle, picture_run, tmp_path / "a", prompt_modes=["none", "1_point"])
    turned = evaluate(bundle, picture_run, tmp_path / "b", prompt_modes=["1_point", "none"])
    for source in ("none", "1_point (ground truth)"):
        assert dice_of(first, source) == dice_of(turned, source)
    assert turned[0]["prompts"] == "1_point (ground truth)"


def test_prompts_of_a_file_change_the_files_of_inference_and_the_evaluation_alike(
    bundle: Any, picture_run: Any, picture_data: Path, tmp_path: Path
) -> None:
    case = json.loads((picture_data / "datalist.json").read_text(encoding="utf-8"))["test"][0]
    truth = np.asarray(Image.open(picture_data / case["label"]))
    rows, columns = np.nonzero(truth == 2)
    box = [int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())]
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({case["image"]: {"Cup": {"box": box}}}), encoding="utf-8")
    for name, ids in (("plain", {}), ("prompted", {"prompts_file": str(path)})):
        ids = {**ids, "probabilities": True}
        bundle.run("inference+image2d", output_dir=str(tmp_path / name), **picture_run.model, **ids)
    rim, cup_map = (f"images/{Path(case['image']).stem}_prob_{label}.png" for label in LABELS)
    for map_, same in ((rim, True), (cup_map, False)):  # a prompt is about the label it names
        assert ((tmp_path / "plain" / map_).read_bytes() == (tmp_path / "prompted" / map_).read_bytes()) is same
    file = f"images/{Path(case['image']).stem}_seg.png"
    plain, prompted = (np.asarray(Image.open(tmp_path / name / file)) for name in ("plain", "prompted"))
    assert (plain != prompted).any()
    inside = np.asarray(Image.open(picture_data / case["mask"])) > 0
    pred, wanted = (prompted == 2) & inside, (truth == 2) & inside
    expected = 2 * float((pred & wanted).sum()) / float(pred.sum() + wanted.sum())
    found = evaluate(bundle, picture_run, tmp_path / "report", prompt_modes=["file"], prompts_file=str(path))
    cup = next(row for row in found if row["label"] == "Cup" and Path(row["file"]).name == Path(case["image"]).name)
    assert (cup["prompts"], float(cup["dice"])) == ("file", pytest.approx(expected, abs=1e-6))


def test_training_with_drawn_prompts_logs_the_terms_of_the_loss(
    bundle: Any, picture_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = {"labels": "@labels", "overlapping": "@overlapping"}
    ids: dict[str, Any] = {
        "loss": {"_target_": "monai_samadapt.losses.CompositeLoss", **shared},
        "train::trainer::prepare_batch": {
            "_target_": "monai_samadapt.engines.PromptedBatch",
            "modes": ["5_points", "box"],
            "with_quality": False,
            **shared,
        },
    }
    training = {"checkpoint": "random", "num_workers": 0, "learning_rate": 1e-4, "max_epochs": 2, "val_interval": 1}
    ids |= {"dataset_dir": str(picture_data), "labels": {"Rim": 1, "Cup": 2}, "batch_size": 1, **training}
    bundle.run("train+image2d", output_dir=str(tmp_path), **ids)
    rows = read_csv(tmp_path / "history.csv")
    names = [name for name in rows[0] if name.startswith("loss")]
    assert names == ["loss", "loss_bce", "loss_dice", "loss_tversky"]
    for row in rows:
        terms = [float(row[name]) for name in names[1:]]
        assert min(terms) > 0.05 and sum(terms) == pytest.approx(float(row["loss"]), rel=1e-5)
    assert "loss_tversky 0." in capsys.readouterr().out


def refused(bundle: Any, run: Any, tmp_path: Path, configs: str, **ids: Any) -> str:
    return str(bundle.refuse(configs, output_dir=str(tmp_path / "none"), **{**run.model, **ids}))


def test_wrong_prompts_end_the_run_in_one_line_before_it_starts(
    bundle: Any, picture_run: Any, picture_data: Path, tmp_path: Path
) -> None:
    image = json.loads((picture_data / "datalist.json").read_text(encoding="utf-8"))["test"][0]["image"]
    path = tmp_path / "prompts.json"
    for prompts, problem in (
        ({"Cup": {"points": [[500, 3]], "point_labels": [1]}}, "lies outside"),
        ({"Disc": {"box": [1, 1, 5, 5]}}, "name 'Disc'"),
        ({"Cup": {"points": [[5, 3]]}}, "has 1 points"),
    ):
        path.write_text(json.dumps({image: prompts}), encoding="utf-8")
        line = refused(bundle, picture_run, tmp_path, "inference+image2d", prompts_file=str(path))
        assert problem in line and image in line
    path.write_text("{", encoding="utf-8")
    line = refused(bundle, picture_run, tmp_path, "inference+image2d", prompts_file=str(path))
    assert "is no JSON" in line and str(path) in line


def test_wrong_modes_end_the_run_in_one_line(bundle: Any, picture_run: Any, tmp_path: Path) -> None:
    ids = {"report_dir": str(tmp_path / "none")}
    line = refused(bundle, picture_run, tmp_path, "train+evaluate+image2d", prompt_modes=["boxes"], **ids)
    assert line.startswith("prompt_modes=['boxes']")
    assert "has none" in refused(bundle, picture_run, tmp_path, "train+evaluate+image2d", prompt_modes=["file"], **ids)


def test_prompts_of_volumes_are_drawn_and_read_slice_by_slice(
    bundle: Any, ct_run: Any, ct_data: Path, tmp_path: Path
) -> None:
    """A drawn box a slice, and the same boxes from a file, give the same Dice; a label is on no slice without one."""
    (case,) = json.loads((ct_data / "datalist.json").read_text(encoding="utf-8"))["test"]
    source: Any = nib.load(ct_data / case["label"])
    truth = np.asarray(source.dataobj)
    axis = next(axis for axis, code in enumerate(nib.aff2axcodes(source.affine)) if code in "IS")
    boxes = {name: _boxes(truth == value, axis) for value, name in enumerate(ct_run.ids["labels"], start=1)}
    given = {name: {"box": found} for name, found in boxes.items() if found}
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({case["image"]: given}), encoding="utf-8")
    report, ids = tmp_path / "report", {"prompts_file": str(path), "prompt_modes": ["none", "box", "file"]}
    bundle.run("train+evaluate+ct", output_dir=str(ct_run.folder), report_dir=str(report), **ct_run.model, **ids)
    rows = read_csv(report / "cases.csv")
    assert {row["prompts"] for row in rows} == {"none", "box (ground truth)", "file"}
    assert dice_of(rows, "box (ground truth)") == dice_of(rows, "file") != dice_of(rows, "none")
    maps = tmp_path / "maps"
    bundle.run("inference+ct", output_dir=str(maps), prompts_file=str(path), **ct_run.model)
    (result,) = maps.rglob("*.nii.gz")
    found = np.asarray(nib.load(result).dataobj)  # type: ignore[attr-defined]
    for value, name in enumerate(ct_run.ids["labels"], start=1):
        dice = 2 * ((found == value) & (truth == value)).sum() / max((found == value).sum() + (truth == value).sum(), 1)
        row = next(row for row in rows if row["prompts"] == "file" and row["label"] == name)
        assert float(row["dice"] or 0) == pytest.approx(dice, abs=1e-6)
        if name in given:
            others = tuple(part for part in range(3) if part != axis)
            assert not ((found == value).any(others) & ~(truth == value).any(others)).any()


def _boxes(mask: Any, axis: int) -> list[list[int]]:
    """A tight box of each slice, as x0 y0 z0 x1 y1 z1."""
    boxes = []
    for number in np.nonzero(mask.any(tuple(part for part in range(3) if part != axis)))[0]:
        places = np.argwhere(mask & (np.indices(mask.shape)[axis] == number))
        boxes.append([int(value) for value in (*places.min(0), *places.max(0))])
    return boxes
