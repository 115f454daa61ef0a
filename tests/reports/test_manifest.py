"""What a run's manifest says."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import torch

import monai_samadapt
from monai_samadapt.reports import versions, write_manifest
from monai_samadapt.reports.manifest import config_files, describe_datalist


def test_the_versions_of_the_installed_packages():
    found = versions()
    assert found["monai_samadapt"] == monai_samadapt.__version__
    assert found["torch"] == version("torch")
    assert found["monai"] == version("monai")
    assert found["segment-anything"] == "1.0"


def test_the_manifest_of_a_run(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["samadapt", "demo", "--name", "two words", "--uri", "http://me:secret@host"])
    config = tmp_path / "train.json"
    config.write_text('{"rank": 4}')
    plain = tmp_path / "logging.conf"
    plain.write_text("[loggers]\n")
    network = torch.nn.Sequential(torch.nn.Linear(9, 1), torch.nn.Linear(10, 9))
    network[1].requires_grad_(False)
    datalist = {"training": [{"image": "a.png"}, {"image": "b.png"}], "test": []}
    started = datetime.now(timezone.utc) - timedelta(seconds=60)
    write_manifest(
        tmp_path / "manifest.json",
        started,
        device="cpu",
        configs=[config, plain],
        datalist=datalist,
        network=network,
        seed=7,
        base_weights_sha256="ab",
    )
    found = json.loads((tmp_path / "manifest.json").read_text())
    assert found["command"] == "samadapt demo --name 'two words' --uri http://host"
    assert 60 <= found["seconds"] < 120
    assert found["started"] == started.isoformat(timespec="seconds")
    assert found["device"]["type"] == "cpu"
    assert found["device"]["cores"] >= 1
    assert found["configs"][0] == {
        "path": str(config),
        "sha256": hashlib.sha256(b'{"rank": 4}').hexdigest(),
        "content": {"rank": 4},
    }
    assert found["configs"][1]["content"] == "[loggers]\n"
    assert found["parameters"] == {"total": 109, "trainable": 10, "trainable_percent": 1000 / 109}
    assert found["datalist"]["items"] == {"training": 2, "test": 0}
    assert (found["seed"], found["base_weights_sha256"]) == (7, "ab")
    assert found["versions"] == versions()


def test_the_configurations_are_those_of_the_command_line(tmp_path: Path, monkeypatch):
    folder = tmp_path / "John Smith, 1"
    folder.mkdir()
    first, second = folder / "train.json", folder / "ct.json"
    first.write_text("{}")
    second.write_text("{}")
    files = f"['{first}','{second}']"
    assert config_files(["run", "--config_file", files, "--seed", "1"]) == [str(first), str(second)]
    assert config_files(["run", f"--config_file={files}", "--seed=1"]) == [str(first), str(second)]
    assert config_files(["run", "--config_file", str(first)]) == [str(first)]
    assert config_files(["run", "--config_file", "missing.json"]) == []


def test_the_hash_of_a_datalist_depends_on_its_items_and_not_on_the_order_of_keys():
    first = describe_datalist({"training": [{"image": "a", "label": "b"}]})
    assert first == describe_datalist({"training": [{"label": "b", "image": "a"}]})
    assert first["sha256"] != describe_datalist({"training": [{"label": "b", "image": "c"}]})["sha256"]
