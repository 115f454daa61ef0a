"""Names of the metrics of a report."""

from __future__ import annotations

from monai_samadapt.tracking.evaluation import summary_metrics


def part(prompts: str, dice: float, auc: float | None) -> dict:
    figures = {"dice": {"mean": dice, "n": 2}, "auc": {"mean": auc, "n": 2}}
    labels = {"Disc": {"metrics": figures}, "Cup/rim (left)": {"metrics": {"dice": {"mean": dice / 2}}}}
    return {"prompts": prompts, "overall": {"metrics": {"dice": {"mean": 0.75 * dice}}}, "labels": labels}


def test_metrics_are_named_by_section_prompts_and_label() -> None:
    summary = part("none", 0.8, None) | {"other_prompts": [part("5_points (ground truth)", 0.4, 0.9)]}
    assert summary_metrics(summary, "test") == {
        "test/dice": 0.75 * 0.8,
        "test/Disc/dice": 0.8,
        "test/Cup_rim _left_/dice": 0.4,
        "test/5_points/dice": 0.75 * 0.4,
        "test/5_points/Disc/dice": 0.4,
        "test/5_points/Disc/auc": 0.9,
        "test/5_points/Cup_rim _left_/dice": 0.2,
    }
