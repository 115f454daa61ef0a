"""Trainings logged to the SQLite default, a server that fails, and tracking that is off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.tracking.client import connect


@pytest.fixture(autouse=True)
def _no_server_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def points(folder: Path, metric: str) -> list[tuple[int, float]]:
    """Steps and values of a metric in the default database."""
    run_id = json.loads((folder / "mlflow_run.json").read_text())["run_id"]
    history = connect(f"sqlite:///{folder.parent}/mlflow.db").get_metric_history(run_id, metric)
    return sorted((point.step, point.value) for point in history)


def test_runs_of_all_methods_share_a_database_beside_them(run_bundle: Callable[..., Any], tmp_path: Path) -> None:
    methods = ("s_sam", "balr_sam", "sam2_lora")
    for method in methods:
        run_bundle(method, "train+image2d", output_dir=str(tmp_path / method), max_epochs=1, experiment="all")
    client = connect(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("all")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in runs} == {f"{method} {method}" for method in methods}
    by_method = {run.data.params["method"]: run.data.params for run in runs}
    assert by_method["balr_sam"]["rank"] == "16"
    assert by_method["s_sam"]["trainable"] == str(trainable(tmp_path / "s_sam"))
    assert len({values["data_sha256"] for values in by_method.values()}) == 1
    for run in runs:
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        assert folder.is_relative_to(tmp_path / "mlartifacts")
        own = tmp_path / run.data.params["method"] / "adapter.safetensors"
        assert (folder / "adapter.safetensors").read_bytes() == own.read_bytes()


def trainable(folder: Path) -> int:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return int(manifest["parameters"]["trainable"])


def test_metrics_a_failing_server_did_not_take_are_sent_later(
    run_bundle: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    log_batch, calls = MlflowClient.log_batch, []

    def fail_in_between(self: Any, *arguments: Any, **named: Any) -> None:
        calls.append(len(named.get("metrics", [])))
        if len(calls) in (2, 3):  # the first was for parameters
            raise OSError("no\nconnection")
        log_batch(self, *arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", fail_in_between)
    run_bundle("s_sam", "train+image2d", output_dir=str(tmp_path / "run"), max_epochs=3)
    assert calls[3] > calls[2] > calls[1] > 0  # what waits grows
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("MLflow")]
    assert lines == [
        f"MLflow at sqlite:///{tmp_path}/mlflow.db fails, the run goes on without it: no connection",
    ]
    assert [step for step, _ in points(tmp_path / "run", "step/loss")] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in points(tmp_path / "run", "epoch/loss")] == [1, 2, 3]


def test_training_anew_in_the_same_folder_is_another_run(run_bundle: Callable[..., Any], tmp_path: Path) -> None:
    records = []
    for _ in range(2):
        run_bundle("s_sam", "train+image2d", output_dir=str(tmp_path / "run"), max_epochs=1)
        records.append(json.loads((tmp_path / "run" / "mlflow_run.json").read_text())["run_id"])
    assert records[0] != records[1]
    assert len(points(tmp_path / "run", "step/loss")) == 2


def test_off_writes_nothing(run_bundle: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ids = {"output_dir": str(tmp_path / "run"), "tracking_uri": "off"}
    run_bundle("s_sam", "train+image2d", max_epochs=1, **ids)
    run_bundle("s_sam", "train+evaluate+image2d", **ids)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not list(tmp_path.rglob("*mlflow*"))
    assert (tmp_path / "run" / "evaluation" / "summary.json").is_file()


def test_only_the_first_process_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ignite.engine import Engine

    from monai_samadapt.tracking import MLflowTracking

    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    engine = Engine(lambda engine, batch: None)
    MLflowTracking().attach(engine, None)  # type: ignore[arg-type]
    engine.run([0], max_epochs=1)  # every handler would need the run that is not there
