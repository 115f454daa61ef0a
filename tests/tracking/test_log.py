"""Batches of metrics, names and values that MLflow does not take."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

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
    log.status("FINISHED")
    client = connect(uri)
    found = client.get_metric_history(log.run_id, "a _b_")
    assert sorted((point.step, point.value) for point in found) == [(step, step / 4) for step in range(2500)]
    assert client.get_run(log.run_id).data.metrics == {"a _b_": 2499 / 4, "e": 1.0}
    assert log.last_step("a _b_") == 0  # of a run made anew nothing is to be skipped
    assert RunLog(uri, "experiment", tmp_path / "run", "name", go_on=True).last_step("a _b_") == 2499


def test_a_training_does_not_wait_for_a_slow_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request takes a second; sending returns at once, and the run ends when all its metrics are there."""
    log = RunLog(f"sqlite:///{tmp_path}/mlflow.db", "experiment", tmp_path / "run", "name", go_on=False)
    send = log.client.log_batch
    monkeypatch.setattr(log.client, "log_batch", lambda *args, **kwargs: (time.sleep(1), send(*args, **kwargs)))
    start = time.perf_counter()
    for step in range(1, 6):
        log.metrics({"loss": 1 / step}, step)
        log.send()
    assert time.perf_counter() - start < 0.5
    log.status("FINISHED")
    assert time.perf_counter() - start > 1
    history = log.client.get_metric_history(log.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, 1 / step) for step in range(1, 6)]
    assert log.client.get_run(log.run_id).info.status == "FINISHED"


def test_metric_names_keep_levels_and_letters() -> None:
    assert metric_name("test/Größe/dice@2 mm") == "test/Größe/dice_2 mm"
