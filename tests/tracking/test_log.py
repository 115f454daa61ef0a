"""Batches of metrics, names and values that MLflow does not take."""

from __future__ import annotations

import math
from pathlib import Path

from monai_samadapt.tracking.client import connect
from monai_samadapt.tracking.log import RunLog, metric_name


def test_more_metrics_than_a_request_takes_all_arrive(tmp_path: Path) -> None:
    """2,500 points in three batches; NaN and what is not defined are left out, and sending again repeats nothing."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    log = RunLog(uri, "experiment", tmp_path / "run", "name", go_on=False)
    for step in range(2500):
        log.metrics({"a (b)": step / 4}, step)
    log.metrics({"c": math.nan, "d": None, "e": 1.0}, 7)  # type: ignore[dict-item]
    log.send()
    log.send()
    client = connect(uri)
    found = client.get_metric_history(log.run_id, "a _b_")
    assert sorted((point.step, point.value) for point in found) == [(step, step / 4) for step in range(2500)]
    assert client.get_run(log.run_id).data.metrics == {"a _b_": 2499 / 4, "e": 1.0}
    assert log.last_step("a _b_") == 0  # of a run made anew nothing is to be skipped
    assert RunLog(uri, "experiment", tmp_path / "run", "name", go_on=True).last_step("a _b_") == 2499


def test_metric_names_keep_levels_and_letters() -> None:
    assert metric_name("test/Größe/dice@2 mm") == "test/Größe/dice_2 mm"
