"""A real comparison: killed in its second cell, gone on with, and one column that fails."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from monai_samadapt.cli import main
from monai_samadapt.compare import comparison_report, read_study
from monai_samadapt.compare.run import compare
from monai_samadapt.datasets import SECTIONS
from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import sha256
from monai_samadapt.tracking.client import connect

EPOCHS = 12


@dataclass(frozen=True)
class Compared:
    """A comparison: its folder, what it printed, its status, and the hashes of the first cell before and after."""

    folder: Path
    printed: str
    status: int
    before: dict[str, str]
    after: dict[str, str]
    killed_at: int

    def cell(self, name: str) -> Path:
        return self.folder / "cells" / name


def hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def epochs(folder: Path) -> list[int]:
    with open(folder / "history.csv", newline="") as stream:
        return [int(row["epoch"]) for row in csv.DictReader(stream)]


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    for _ in range(3000):
        if true():
            return
        assert process.poll() is None, "the comparison ended too early"
        time.sleep(0.1)
    raise AssertionError("nothing happened")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """S-SAM and the U-Net on two folds of six pictures, the first call killed once the second cell is under way."""
    data = write_demo_dataset(tmp_path_factory.mktemp("data"), "fundus", 6, 0, size=(49, 63)).parent
    folder = tmp_path_factory.mktemp("compare")
    command = [
        "compare",
        "--dataset_dir",
        str(data),
        "--output",
        str(folder),
        "--folds",
        "2",
        "--max_epochs",
        str(EPOCHS),
    ]
    command += ["--labels", "{'Rim': 1, 'Cup': 2}", "--image_size", "64", "--batch_size", "2", "--num_workers", "0"]
    command += ["--device", "cpu", "--val_interval", "6", "--methods", "s_sam", "unet", "odd"]
    command += ["--set", "s_sam.checkpoint=random", "odd.method=unet", "odd.image_size=70"]
    name = data.name
    second = folder / "cells" / f"{name}-fold1" / "unet"
    with subprocess.Popen([sys.executable, "-m", "monai_samadapt.cli", *command]) as process:
        wait_until(lambda: (second / "history.csv").is_file() and len(epochs(second)) >= 2, process)
        process.send_signal(signal.SIGKILL)
    time.sleep(1.0)
    killed_at, before = len(epochs(second)), hashes(second.parent / "s_sam")
    time.sleep(1.0)
    assert len(epochs(second)) == killed_at  # no process went on by itself
    with redirect_stdout(StringIO()) as printed, redirect_stderr(printed):
        status = main(command)
    return Compared(folder, printed.getvalue(), status, before, hashes(second.parent / "s_sam"), killed_at)


def test_finished_cells_are_kept_and_the_killed_one_goes_on(compared: Compared) -> None:
    assert compared.killed_at < EPOCHS
    assert json.loads((compared.cell(fold(compared, 1)) / "s_sam" / "cell.json").read_text())["state"] == "finished"
    assert compared.after == compared.before
    second = compared.cell(fold(compared, 1)) / "unet"
    assert "resumed after epoch" in (second / "log.txt").read_text()
    assert epochs(second) == list(range(1, EPOCHS + 1))
    assert f"[1/6] s_sam {fold(compared, 1)}" not in compared.printed
    assert f"[2/6] unet {fold(compared, 1)}:" in compared.printed


def fold(compared: Compared, number: int) -> str:
    (path,) = (compared.folder / "folds").glob(f"*-fold{number}.json")
    return path.stem


def test_a_cell_that_fails_says_why_and_the_others_go_on(compared: Compared) -> None:
    assert compared.status == 1
    assert compared.printed.count("failed: image_size=70: ") == 2
    assert compared.printed.strip().splitlines()[-1].startswith("output=")
    report = comparison_report(compared.folder)
    assert [(entry.method, entry.cost["folds"]) for entry in report.entries] == [("s_sam", 2), ("unet", 2)]
    assert report.notes[-1] == f"Not finished: odd {fold(compared, 1)}, odd {fold(compared, 2)}."


def test_every_case_is_tested_once_by_each_method_with_its_fold_s_model(compared: Compared) -> None:
    with open(compared.folder / "compare.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for method in ("s_sam", "unet"):
        cases = [(row["case"], row["label"]) for row in rows if row["method"] == method]
        assert len(set(cases)) == len(cases) == 6 * 2
    for number in (1, 2):
        split = json.loads((compared.folder / "folds" / f"{fold(compared, number)}.json").read_text())
        tested = {row["subject"] for row in rows if row["fold"] == str(number)}
        assert tested == {item["subject"] for item in split["test"]}
        assert not tested & {item["subject"] for name in SECTIONS[:2] for item in split[name]}
        own = compared.cell(fold(compared, number)) / "unet" / "evaluation" / "cases.csv"
        with open(own, newline="") as stream:
            dice = [row["dice"] for row in csv.DictReader(stream)]
        assert [float(row["dice"]) for row in rows if (row["method"], row["fold"]) == ("unet", str(number))] == [
            float(value) for value in dice
        ]


def test_costs_are_those_of_the_runs(compared: Compared) -> None:
    content = json.loads((compared.folder / "compare.json").read_text())
    s_sam, unet = content["results"]
    assert unet["cost"]["parameters"] == {"trainable": 1_625_737, "base": 1_625_737, "trainable_percent": 100.0}
    assert s_sam["cost"]["parameters"]["trainable"] == 84_352
    assert s_sam["cost"]["base"]["checkpoint"] == "random"
    with open(compared.cell(fold(compared, 1)) / "s_sam" / "history.csv", newline="") as stream:
        seconds = sum(float(row["seconds"]) for row in csv.DictReader(stream))
    trained = content["cells"][f"s_sam {fold(compared, 1)}"]["training"]
    assert trained["seconds"] == pytest.approx(seconds, abs=0.01)
    assert 0.2 < trained["peak_memory_gib"] < 8


def test_cells_are_runs_below_one_parent(compared: Compared) -> None:
    record = json.loads((compared.folder / "mlflow_run.json").read_text())
    client = connect(f"sqlite:///{compared.folder}/mlflow.db")
    parent = client.get_run(record["run_id"])
    assert parent.info.status == "FAILED"  # two cells did
    assert {"compare.csv", "compare.json", "compare.md", "compare.png"} <= {
        file.path for file in client.list_artifacts(parent.info.run_id)
    }
    runs = client.search_runs([parent.info.experiment_id])
    children = {run.info.run_name: run for run in runs if run.info.run_id != parent.info.run_id}
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    names = [f"{method} {fold(compared, number)}" for number in (1, 2) for method in ("s_sam", "unet", "odd")]
    assert sorted(children) == sorted(names)
    status = {name: run.info.status for name, run in children.items()}
    assert {status[name] for name in names if name.startswith("odd")} == {"FAILED"}
    resumed = children[f"unet {fold(compared, 1)}"]
    assert resumed.info.status == "FINISHED"
    assert len(client.get_metric_history(resumed.info.run_id, "epoch/loss")) == EPOCHS
    report = comparison_report(compared.folder)
    name = f"{report.entries[1].test_set}/unet/dice"
    assert parent.data.metrics[name] == report.entries[1].summary["overall"]["metrics"]["dice"]["mean"]


def test_other_settings_or_folds_need_another_folder(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    study = json.loads((compared.folder / "study.json").read_text())
    ids = {**study["ids"], "max_epochs": 3}
    for changed, message in (
        ({"ids": ids}, r"max_epochs=3: .* was run with 12"),
        ({"seed": 1}, "seed=1: "),
        ({"folds": 3}, r"output=.*holds other folds"),
    ):
        (compared.folder / "other.json").write_text(json.dumps(study | changed))
        with pytest.raises(SamAdaptError, match=message):
            compare(read_study(compared.folder / "other.json"), compared.folder, "off")
    moved = Path(shutil.copytree(compared.folder, compared.folder.parent / "moved"))
    monkeypatch.chdir(moved.parent)
    assert comparison_report(Path("moved")).markdown() == comparison_report(compared.folder).markdown()
    with pytest.raises(SamAdaptError, match=r"holds no study\.json"):
        comparison_report(compared.folder / "cells")
