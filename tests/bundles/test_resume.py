"""Determinism, interruption and resumption of a run, early stopping, and saving that is interrupted."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from monai_samadapt.engines import TrainingRun


def history(folder: Path) -> list[dict[str, str]]:
    """The epochs without their duration."""
    with open(folder / "history.csv", newline="", encoding="utf-8") as stream:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(stream)]


def checkpoint(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "checkpoint_last.pt", weights_only=True)
    return content


def assert_same_run(first: Path, second: Path) -> None:
    """Compare all epochs' loss, learning rate and Dice, last and best weights and the optimiser, bit for bit."""
    assert history(first) == history(second)
    one, two = checkpoint(first), checkpoint(second)
    torch.testing.assert_close(one["network"], two["network"], atol=0, rtol=0)
    torch.testing.assert_close(one["optimizer"]["state"], two["optimizer"]["state"], atol=0, rtol=0)
    assert one["scheduler"] == two["scheduler"]
    assert one["best"] == two["best"]
    best = [torch.load(folder / "model.pt", weights_only=True) for folder in (first, second)]
    torch.testing.assert_close(*best, atol=0, rtol=0)


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt a run in the middle of an epoch, as the user does by Ctrl-C."""
    finish = TrainingRun.finish_step

    def finish_step(self: TrainingRun, engine: Engine) -> None:
        if engine.state.iteration == step:
            raise KeyboardInterrupt
        finish(self, engine)

    monkeypatch.setattr(TrainingRun, "finish_step", finish_step)


def test_same_seed_gives_the_same_run(bundle: Any, ct_run: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    bundle.run("train+ct", output_dir=str(tmp_path), **ct_training)
    assert_same_run(tmp_path, ct_run.folder)


def test_another_seed_gives_another_run(bundle: Any, ct_run: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    bundle.run("train+ct", output_dir=str(tmp_path), seed=1, **{**ct_training, "max_epochs": 1})
    assert history(tmp_path)[0]["loss"] != history(ct_run.folder)[0]["loss"]


def test_interrupted_run_resumes_to_the_same_weights(
    bundle: Any,
    ct_run: Any,
    ct_training: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(4, patch)  # of 2 steps an epoch: in the second
        with pytest.raises(KeyboardInterrupt):
            bundle.run("train+ct", output_dir=str(tmp_path), **ct_training)
    assert not list(tmp_path.glob(".*"))
    assert history(tmp_path) == history(ct_run.folder)[:1]
    assert checkpoint(tmp_path)["epoch"] == 1
    bundle.run("train+ct", output_dir=str(tmp_path), resume=True, **ct_training)
    assert "resumed after epoch 1" in capsys.readouterr().out
    assert_same_run(tmp_path, ct_run.folder)


def test_interrupted_run_with_loader_processes_resumes_to_the_same_weights(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {**ct_training, "num_workers": 2, "max_epochs": 2}
    bundle.run("train+ct", output_dir=str(tmp_path / "whole"), **ids)
    with monkeypatch.context() as patch:
        interrupt_at(4, patch)
        with pytest.raises(KeyboardInterrupt):
            bundle.run("train+ct", output_dir=str(tmp_path / "resumed"), **ids)
    bundle.run("train+ct", output_dir=str(tmp_path / "resumed"), resume=True, **ids)
    assert_same_run(tmp_path / "whole", tmp_path / "resumed")


def test_resuming_a_finished_run_changes_nothing(
    bundle: Any, ct_run: Any, ct_training: dict[str, Any], hashes: Callable[[Path], dict[str, str]]
) -> None:
    before = hashes(ct_run.folder)
    bundle.run("train+ct", output_dir=str(ct_run.folder), resume=True, **ct_training)
    assert hashes(ct_run.folder) == before


def test_early_stopping_ends_the_run(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = {"learning_rate": 0.0, "max_epochs": 6, "early_stop_patience": 2}  # nothing changes, nothing gets better
    bundle.run("train+ct", output_dir=str(tmp_path), **{**ct_training, **still})
    assert len(history(tmp_path)) == 3
    assert len({row["val_mean_dice"] for row in history(tmp_path)}) == 1
    assert "stopped early: no better val_mean_dice" in capsys.readouterr().out
    assert checkpoint(tmp_path)["best"][1] == 1


def test_early_stopping_waits_for_a_validation(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    still = {"learning_rate": 0.0, "max_epochs": 5, "val_interval": 2, "early_stop_patience": 1}
    bundle.run("train+ct", output_dir=str(tmp_path), **{**ct_training, **still})
    assert [row["epoch"] for row in history(tmp_path)] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("save", [2, 3])  # the second of the first epoch, the first of the second
def test_run_interrupted_while_it_saves_resumes_to_the_same_files(
    bundle: Any,
    ct_run: Any,
    ct_training: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    save: int,
) -> None:
    whole, paths = torch.save, []

    def break_off(content: Any, path: Path, **settings: Any) -> None:
        paths.append(path)
        whole(content, path, **settings)
        if len(paths) == save:
            path.write_bytes(path.read_bytes()[:1000])
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", break_off)
        with pytest.raises(KeyboardInterrupt):
            bundle.run("train+ct", output_dir=str(tmp_path), **ct_training)
    assert not list(tmp_path.glob(".*"))
    for path in tmp_path.glob("*.pt"):
        torch.load(path, weights_only=True)  # complete, or it could not be read
    bundle.run("train+ct", output_dir=str(tmp_path), resume=True, **ct_training)
    assert_same_run(tmp_path, ct_run.folder)


@pytest.mark.slow
def test_killed_run_resumes_to_the_same_weights(
    bundle: Any, ct_run: Any, ct_training: dict[str, Any], tmp_path: Path
) -> None:
    ids = {**ct_training, "variant": "vit_nano", "image_size": 64, "device": "cpu", "bundle_root": str(bundle.root)}
    ids |= {"tracking_uri": "off"}
    words = [word for key, value in ids.items() for word in (f"--{key}", str(value))]
    files = ["--config_file", str(bundle.files("train+ct")), "--output_dir", str(tmp_path)]
    command = [sys.executable, "-u", "-m", "monai.bundle", "run", *files, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/") as process:
        assert process.stdout is not None
        assert any(line.startswith("epoch 2/3") for line in process.stdout)
        process.kill()
    assert checkpoint(tmp_path)["epoch"] in (1, 2)
    bundle.run("train+ct", output_dir=str(tmp_path), resume=True, **ct_training)
    assert_same_run(tmp_path, ct_run.folder)
