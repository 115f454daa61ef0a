"""Small data, bundles run in this process, and a real MLflow server on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import run

from monai_samadapt.datasets.procedural import write_demo_dataset

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
VARIANTS = {"s_sam": "vit_nano", "sam2_lora": "hiera_nano", "balr_sam": "vit_nano"}
TRAINING = {"checkpoint": "random", "val_interval": 1, "learning_rate": 1e-3, "max_epochs": 2, "batch_size": 2}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures with rim (1) and cup (2): three to train, one to validate, one to test."""
    return write_demo_dataset(tmp_path_factory.mktemp("pictures"), "fundus", 5, 0, size=(49, 63)).parent


@pytest.fixture(scope="session")
def run_bundle(pictures: Path) -> Callable[..., None]:
    """Run configs of a bundle, joined by ``+``, on the pictures."""

    def call(method: str, configs: str, **ids: Any) -> None:
        root = BUNDLES / method
        small = {"variant": VARIANTS[method], "image_size": 64, "device": "cpu", "logging_file": False}
        small |= {"dataset_dir": str(pictures), "labels": {"Rim": 1, "Cup": 2}}
        small |= {"num_workers": 0} if "train" in configs else {}
        if "train" in configs and "evaluate" not in configs:
            small |= TRAINING
        files = [str(root / "configs" / f"{name}.json") for name in configs.split("+")]
        run(config_file=files, bundle_root=str(root), **{**small, **ids})

    return call


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def closed_port() -> int:
    return free_port()


@contextmanager
def mlflow_server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An MLflow server with an SQLite backend that stores artefacts: its URI and process, killed at the end."""
    uri = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", uri.rpartition(":")[2]]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--workers", "1"]
    command += ["--artifacts-destination", (folder / "store").as_uri()]
    with (
        open(folder / "server.log", "wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            wait_for(f"{uri}/health", process, folder / "server.log")
            yield uri, process
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a server with its workers."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no answer from {url}: {log.read_text()}")


@pytest.fixture(scope="session")
def start_server() -> Callable[[Path], Any]:
    return mlflow_server


@pytest.fixture(scope="session")
def stop_server() -> Callable[[subprocess.Popen[bytes]], None]:
    return stop
