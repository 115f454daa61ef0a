"""Training, resuming, evaluation and registration at a real MLflow server on loopback."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from ignite.engine import Engine
from mlflow import MlflowClient
from PIL import Image

from monai_samadapt import cli
from monai_samadapt.datasets import load_datalist
from monai_samadapt.datasets.fingerprint import data_fingerprint
from monai_samadapt.engines.finite import NonFiniteLoss
from monai_samadapt.tracking import MLflowTracking

pytestmark = pytest.mark.slow

ARTEFACTS = ("adapter.safetensors", "adapter.json", "history.csv", "manifest.json", "datalist.json")


@dataclass
class Tracked:
    """A training run and its MLflow run."""

    folder: Path
    client: MlflowClient

    @property
    def run_id(self) -> str:
        return str(json.loads((self.folder / "mlflow_run.json").read_text())["run_id"])

    @property
    def run(self) -> Any:
        return self.client.get_run(self.run_id)

    @property
    def history(self) -> list[dict[str, float]]:
        with open(self.folder / "history.csv", newline="") as stream:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]

    def points(self, metric: str) -> list[tuple[int, float]]:
        found = self.client.get_metric_history(self.run_id, metric)
        return sorted((point.step, point.value) for point in found)

    def values(self, metric: str) -> list[float]:
        return [value for _, value in self.points(metric)]

    def artefacts(self, folder: str | None = None) -> set[str]:
        return {entry.path for entry in self.client.list_artifacts(self.run_id, folder)}

    def read(self, name: str, to: Path) -> bytes:
        return Path(self.client.download_artifacts(self.run_id, name, str(to))).read_bytes()


@pytest.fixture(scope="module")
def server(start_server: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_server(tmp_path_factory.mktemp("server")) as (uri, _):
        yield uri


@pytest.fixture(scope="module")
def trained(run_bundle: Callable[..., Any], server: str, tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """Two epochs of two steps."""
    folder = tmp_path_factory.mktemp("runs") / "disc"
    run_bundle("sam2_lora", "train+image2d", output_dir=str(folder), tracking_uri=server, experiment="eyes")
    return Tracked(folder, MlflowClient(server))


def test_run_has_name_parameters_and_ends(trained: Tracked, pictures: Path) -> None:
    run, manifest = trained.run, json.loads((trained.folder / "manifest.json").read_text())
    assert trained.client.get_experiment(run.info.experiment_id).name == "eyes"
    assert (run.info.run_name, run.info.status) == ("sam2_lora disc", "FINISHED")
    expected = {"method": "sam2_lora", "variant": "hiera_nano", "image_size": "64", "max_epochs": "2", "seed": "0"}
    expected |= {"batch_size": "2", "learning_rate": "0.001", "base": "random", "training_items": "3"}
    expected |= {"base_sha256": manifest["base"]["sha256"], "trainable": str(manifest["parameters"]["trainable"])}
    assert {key: run.data.params[key] for key in expected} == expected
    assert json.loads(run.data.params["labels"]) == {"Rim": 1, "Cup": 2}
    assert int(run.data.params["rank"]) > 0
    data = load_datalist(str(pictures), None, "training"), load_datalist(str(pictures), None, "validation")
    assert run.data.params["data_sha256"] == data_fingerprint(dict(zip(("training", "validation"), data, strict=True)))
    share = manifest["parameters"]["trainable_percent"]
    assert float(run.data.params["trainable_percent"]) == pytest.approx(share, abs=1e-5)


def test_every_step_has_loss_terms_and_learning_rate(trained: Tracked) -> None:
    names = {name for name in trained.run.data.metrics if name.startswith("step/")}
    assert names == {f"step/{name}" for name in ("loss", "loss_bce", "loss_dice", "loss_tversky", "loss_iou")} | {
        "step/learning_rate"
    }
    assert all([step for step, _ in trained.points(name)] == [1, 2, 3, 4] for name in names)
    loss, *terms = (trained.values(f"step/loss{term}") for term in ("", "_bce", "_dice", "_tversky", "_iou"))
    sums = np.dot([1, 1, 1, 0.1], terms)
    assert loss == pytest.approx(sums.tolist(), rel=1e-5)
    rates = [1e-3 * (1 + np.cos(np.pi * step / 1000)) / 2 for step in range(4)]
    assert trained.values("step/learning_rate") == pytest.approx(rates, rel=1e-9)
    means = [(loss[0] + loss[1]) / 2, (loss[2] + loss[3]) / 2]
    assert [row["loss"] for row in trained.history] == pytest.approx(means, rel=1e-5)


def test_every_epoch_has_the_line_of_the_history(trained: Tracked) -> None:
    rows = trained.history
    assert len(rows) == 2
    for column in set(rows[0]) - {"epoch"}:
        assert trained.points(f"epoch/{column}") == [(1, rows[0][column]), (2, rows[1][column])], column
    assert "val_mean_dice" in rows[0]
    for per_step, row in zip(trained.values("epoch/seconds_per_step"), rows, strict=True):
        assert 0 < 2 * per_step < row["seconds"]  # which has the validation too
    first, second = trained.values("epoch/peak_memory_gib")
    assert 0.1 < first <= second < 64


def test_files_of_the_run_and_its_configuration_are_there(trained: Tracked, tmp_path: Path) -> None:
    assert trained.artefacts() == {*ARTEFACTS, "config", "overlays"}
    for name in ARTEFACTS:
        assert trained.read(name, tmp_path) == (trained.folder / name).read_bytes()
    config = json.loads(trained.read("config/train.json", tmp_path))
    assert config["tracking_uri"].startswith("http://127.0.0.1:")
    assert config["modality"] == "image2d"  # of the overlay
    assert (config["max_epochs"], config["labels"]) == (2, {"Rim": 1, "Cup": 2})  # of the command line
    assert config["train"]["trainer"]["max_epochs"] == "@max_epochs"


def test_the_worst_cases_of_each_best_validation_are_pictures(trained: Tracked, tmp_path: Path) -> None:
    values = [row["val_mean_dice"] for row in trained.history]
    best = [epoch for epoch in (1, 2) if values[epoch - 1] > max(values[: epoch - 1], default=-1.0)]
    assert trained.artefacts("overlays") == {f"overlays/epoch_{epoch:04d}" for epoch in best}
    for epoch in best:
        (picture,) = trained.artefacts(f"overlays/epoch_{epoch:04d}")  # there is one case
        assert Path(picture).name.startswith(f"00_dice{values[epoch - 1]:.3f}_fundus_")
        image = Image.open(io.BytesIO(trained.read(picture, tmp_path)))
        assert image.format == "PNG"
        assert image.width > 1000  # three panels


def test_resumed_training_goes_on_with_its_run(
    run_bundle: Callable[..., Any], trained: Tracked, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the third step, resumed without naming the server: each step is there once, with the same values."""
    ids = {"output_dir": str(tmp_path / "run"), "experiment": "eyes"}
    cut = Tracked(tmp_path / "run", trained.client)
    watch = NonFiniteLoss.watch

    def interrupt(self: NonFiniteLoss, engine: Engine) -> None:
        watch(self, engine)
        if engine.state.iteration == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(NonFiniteLoss, "watch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_bundle("sam2_lora", "train+image2d", tracking_uri=server, **ids)
    first = cut.run_id
    assert cut.run.info.status == "KILLED"
    assert [step for step, _ in cut.points("step/loss")] == [1, 2, 3]
    assert cut.points("epoch/loss") == trained.points("epoch/loss")[:1]
    run_bundle("sam2_lora", "train+image2d", resume=True, **ids)
    assert (cut.run_id, cut.run.info.status) == (first, "FINISHED")
    for metric in ("step/loss", "step/loss_iou", "step/learning_rate", "epoch/loss", "epoch/val_mean_dice"):
        assert cut.points(metric) == trained.points(metric), metric
    run_bundle("sam2_lora", "train+image2d", resume=True, max_epochs=3, **ids)
    assert cut.run_id == first
    assert [step for step, _ in cut.points("epoch/loss")] == [1, 2, 3]
    assert (cut.run.data.params["max_epochs"], cut.run.data.tags["resumed.max_epochs"]) == ("2", "3")


def test_evaluation_adds_its_report_to_the_run(
    run_bundle: Callable[..., Any], trained: Tracked, tmp_path: Path
) -> None:
    """The server is that of the training; pictures of an earlier evaluation go."""
    run_id, report = trained.run_id, tmp_path / "report"
    trained.client.log_text(run_id, "old", "evaluation/test/overlays/00_dice0.000_old.png")
    ids = {"output_dir": str(trained.folder), "report_dir": str(report), "prompt_modes": ["none", "box"]}
    run_bundle("sam2_lora", "train+evaluate+image2d", **ids)
    assert trained.run_id == run_id
    assert trained.run.info.status == "FINISHED"
    summary = json.loads((report / "summary.json").read_text())
    metrics = trained.run.data.metrics
    for start, part in (("test", summary), ("test/box", summary["other_prompts"][0])):
        assert metrics[f"{start}/dice"] == part["overall"]["metrics"]["dice"]["mean"]
        for label in ("Rim", "Cup"):
            for name in ("dice", "hd95", "nsd", "auc"):
                mean = part["labels"][label]["metrics"][name]["mean"]
                assert metrics[f"{start}/{label}/{name}"] == mean
    overlays = {path.name for path in (report / "overlays").iterdir()}
    assert overlays
    assert trained.artefacts("evaluation/test/overlays") == {f"evaluation/test/overlays/{name}" for name in overlays}
    for name in ("cases.csv", "summary.json", "report.html", "manifest.json", f"overlays/{overlays.pop()}"):
        assert trained.read(f"evaluation/test/{name}", tmp_path) == (report / name).read_bytes()
    config = json.loads(trained.read("config/evaluate_test.json", tmp_path))
    assert config["prompt_modes"] == ["none", "box"]


def test_registered_model_gives_the_maps_of_the_bundle(
    run_bundle: Callable[..., Any], trained: Tracked, server: str, pictures: Path, tmp_path: Path
) -> None:
    assert cli.main(["register", str(trained.folder), "--name", "eye"]) == 0
    version = trained.client.get_model_version("eye", "1")
    assert version.run_id == trained.run_id
    ids = {"model_file": str(trained.folder / "model.pt"), "output_dir": str(tmp_path / "maps")}
    run_bundle("sam2_lora", "inference+image2d", datalist=str(pictures / "datalist.json"), **ids)
    case = json.loads((pictures / "datalist.json").read_text())["test"][0]["image"]
    expected = np.asarray(Image.open(next((tmp_path / "maps").rglob("*_seg.png"))))
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(server)
    try:
        model = mlflow.pyfunc.load_model("models:/eye/1")
    finally:
        mlflow.set_tracking_uri(before)
    found = model.predict(pd.DataFrame({"image": [str(pictures / case)]}), {"output_dir": str(tmp_path / "written")})
    assert len(np.unique(expected)) > 1
    assert expected.shape == (49, 63)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(np.asarray(Image.open(next((tmp_path / "written").iterdir()))), expected)
    np.testing.assert_array_equal(model.predict(str(pictures / case))[0], expected)


def test_server_that_dies_does_not_stop_a_training(
    run_bundle: Callable[..., Any],
    start_server: Callable[[Path], Any],
    stop_server: Callable[[Any], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "server").mkdir()
    with start_server(tmp_path / "server") as (uri, process):
        finish = MLflowTracking.finish_epoch

        def finish_and_kill(self: MLflowTracking, engine: Engine) -> None:
            finish(self, engine)
            stop_server(process)

        monkeypatch.setattr(MLflowTracking, "finish_epoch", finish_and_kill)
        run_bundle("s_sam", "train+image2d", output_dir=str(tmp_path / "run"), tracking_uri=uri, max_epochs=3)
    assert len(Tracked(tmp_path / "run", MlflowClient(uri)).history) == 3
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("MLflow at")]
    assert len(lines) == 1
    assert lines[0].startswith(f"MLflow at {uri} fails, the run goes on without it: ")
