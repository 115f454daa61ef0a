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


def test_no_label_s_figure_takes_the_place_of_another() -> None:
    dice = {"box": 0.1, "T/N": 0.2, "T_N": 0.3}
    labels = {name: {"metrics": {"dice": {"mean": value}}} for name, value in dice.items()}
    overall = {"metrics": {"dice": {"mean": 0.7}}}
    summary = {"prompts": "none", "overall": overall, "labels": labels}
    summary["other_prompts"] = [{"prompts": "box (ground truth)", "overall": overall, "labels": {}}]
    assert summary_metrics(summary, "test") == {
        "test/dice": 0.7,
        "test/box_/dice": 0.1,
        "test/T_N/dice": 0.2,
        "test/T_N_/dice": 0.3,
        "test/box/dice": 0.7,
    }
