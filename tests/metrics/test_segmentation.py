"""The rows and the value of SegmentationMetrics, alone and in a real MONAI evaluator."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.exceptions import NotComputableError
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.transforms import AsDiscreted
from torch import multiprocessing

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.metrics import METRIC_NAMES, SegmentationMetrics


class Echo(torch.nn.Module):
    """Gives back the image as logits: what the image shows is the prediction."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image


def meta(array: np.ndarray, name: str, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> MetaTensor:
    affine = torch.diag(torch.tensor([*spacing, 1.0], dtype=torch.float64))
    return MetaTensor(torch.from_numpy(array), affine=affine, meta={"filename_or_obj": name})


def case(name: str, truth_columns: int, pred_columns: int, size: int = 8, labels: int = 2) -> dict[str, MetaTensor]:
    """A volume of ``size``³ whose first columns are label 1; background and label 1 as logits."""
    truth = np.zeros((1, size, size, size), np.uint8)
    truth[:, :truth_columns] = 1
    logits = np.zeros((labels + 1, size, size, size), np.float32)
    logits[0], logits[1, :pred_columns] = 0.5, 1.0
    return {"image": meta(logits, name, (2.0, 1.0, 1.0)), "label": meta(truth, name, (2.0, 1.0, 1.0))}


def evaluator(cases: list[dict], metric: SegmentationMetrics, **options: object) -> SupervisedEvaluator:
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(cases), batch_size=2),
        network=Echo(),
        postprocessing=AsDiscreted("pred", argmax=True),
        key_val_metric={"val_mean_dice": metric},
        **options,
    )


def test_rows_and_value_in_a_real_evaluator():
    metric = SegmentationMetrics(["Liver", "Tumor"])
    cases = [case("/d/a.nii.gz", 4, 4), case("/d/b.nii.gz", 4, 2), case("/d/c.nii.gz", 4, 0), case("/d/e.nii.gz", 0, 0)]
    engine = evaluator(cases, metric)
    engine.run()
    # Liver: 1, 2*2/(2+4) = 2/3, missed 0, empty apart -> mean 5/9; Tumor never there
    assert engine.state.metrics["val_mean_dice"] == pytest.approx(5 / 9)
    assert engine.state.best_metric == pytest.approx(5 / 9)
    liver = [row for row in metric.rows if row["label"] == "Liver"]
    assert [row["case"] for row in liver] == ["a.nii.gz", "b.nii.gz", "c.nii.gz", "e.nii.gz"]
    assert [row["state"] for row in liver] == ["present", "present", "missed", "empty"]
    assert liver[1]["hd95"] == pytest.approx(4.0)  # two columns of 2 mm
    assert liver[2]["hd95"] == pytest.approx(math.hypot(16, 8, 8))
    assert {row["state"] for row in metric.rows if row["label"] == "Tumor"} == {"empty"}
    assert [len(rows) for rows in metric.last_rows] == [2, 2]


def test_a_second_run_starts_anew():
    metric = SegmentationMetrics(["Liver"], surface=False)
    engine = evaluator([case("/d/a", 4, 2, labels=1)], metric)
    engine.run()
    first = metric.rows
    engine.run()
    assert len(metric.rows) == 1
    assert metric.rows[0]["dice"] == first[0]["dice"] == pytest.approx(2 / 3)
    assert math.isnan(metric.rows[0]["hd95"])


def test_a_missed_organ_worsens_every_figure():
    found, missed = SegmentationMetrics(["Liver"]), SegmentationMetrics(["Liver"])
    evaluator([case("/d/a", 4, 4, labels=1), case("/d/b", 4, 3, labels=1)], found).run()
    evaluator([case("/d/a", 4, 4, labels=1), case("/d/b", 4, 0, labels=1)], missed).run()
    assert missed.compute() < found.compute()
    for name in set(METRIC_NAMES) - {"specificity", "auc", "specificity_image", "auc_image"}:
        before, after = (np.mean([row[name] for row in metric.rows]) for metric in (found, missed))
        assert after > before if name == "hd95" else after < before


def test_pixels_probabilities_field_of_view_and_overlapping_labels():
    metric = SegmentationMetrics(["disc", "cup"], overlapping=True, spacing=None)
    truth, mask = np.zeros((2, 6, 6), np.uint8), np.zeros((1, 6, 6), np.uint8)
    truth[0, 1:5, 1:5], truth[1, 2:4, 2:4], mask[:, :4] = 1, 1, 1
    prob = meta(truth * 0.5 + 0.25, "x.png")
    metric.update([{"pred": meta(truth, "x.png"), "label": meta(truth, "x.png"), "prob": prob, "fov": mask}])
    assert metric.compute() == 1.0
    assert [(row["auc"], row["unit"], row["truth_voxels"]) for row in metric.rows] == [(1.0, "px", 12), (1.0, "px", 4)]


def test_a_label_without_an_affine_must_be_measured_in_pixels():
    plain = {"pred": np.ones((1, 4, 4)), "label": np.ones((1, 4, 4))}
    with pytest.raises(SamAdaptError, match="spacing='affine': the label has no affine"):
        SegmentationMetrics(["Liver"]).update([plain])
    metric = SegmentationMetrics(["Liver"], spacing=None)
    metric.update([plain, plain])
    assert metric.compute() == 1.0
    assert [row["case"] for row in metric.rows] == ["case_0_1", "case_0_2"]


def test_an_image_with_two_labels_gives_two_cases():
    metric = SegmentationMetrics(["Liver"], surface=False)
    first, second = case("/d/a", 4, 4, labels=1), case("/d/a", 4, 2, labels=1)
    metric.update([{"pred": item["image"].argmax(0, keepdim=True), "label": item["label"]} for item in (first, second)])
    assert metric.compute() == pytest.approx((1 + 2 / 3) / 2)
    assert [row["case"] for row in metric.rows] == ["a", "a (2)"]


def test_no_case_is_not_computable_and_no_structure_is_nan():
    metric = SegmentationMetrics(["Liver"], spacing=None)
    with pytest.raises(NotComputableError):
        metric.compute()
    metric.update([{"pred": np.zeros((1, 4, 4)), "label": np.zeros((1, 4, 4))}])
    assert math.isnan(metric.compute())


def test_distances_on_a_sheared_grid_are_left_out_and_dice_is_not(capsys: pytest.CaptureFixture[str]):
    one = case("/d/tilted.nii.gz", 4, 4)
    one = {"pred": one["label"], "label": one["label"].clone()}
    one["label"].affine[1, 2] = np.tan(np.radians(20))
    metric = SegmentationMetrics(["Liver", "Tumor"])
    metric.update([one])
    expected = "/d/tilted.nii.gz has axes at 70 degrees: HD95 and NSD need right angles, and are left out\n"
    assert capsys.readouterr().out == expected
    assert metric.compute() == 1.0
    assert all(math.isnan(row[name]) for row in metric.rows for name in ("hd95", "nsd"))


def test_an_unknown_spacing_is_refused():
    with pytest.raises(SamAdaptError, match="spacing='mm': is unknown"):
        SegmentationMetrics(["Liver"], spacing="mm")  # type: ignore[arg-type]


def _rank(rank: int, store: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    import ignite.distributed as idist

    idist.sync()
    metric = SegmentationMetrics(["Liver"], surface=False)
    a, b, c = case("/d/a", 4, 4, labels=1), case("/d/b", 4, 2, labels=1), case("/d/c", 4, 0, labels=1)
    for item in ([a], [b, a, c])[rank]:
        metric.update([{"pred": item["image"].argmax(0, keepdim=True), "label": item["label"]}])
    value = metric.compute()  # the second a fills up rank 1 and does not count
    assert [row["case"] for row in metric.rows] == ["a", "b", "c"]
    assert abs(value - (1 + 2 / 3 + 0) / 3) < 1e-9
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_with_different_numbers_of_cases_agree(tmp_path: Path):
    multiprocessing.spawn(_rank, args=(str(tmp_path / "store"),), nprocs=2)
