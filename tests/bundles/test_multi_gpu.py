"""Several processes on the CPU: what they compute together is what one computes alone."""

from __future__ import annotations

import csv
import json
import multiprocessing
import runpy
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import pytest
import torch
import torch.distributed as dist
from monai.bundle import ConfigWorkflow, run

from monai_samadapt.datasets.procedural import write_demo_dataset

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
VARIANTS = {"s_sam": "vit_nano", "balr_sam": "vit_nano", "sam2_lora": "hiera_nano"}
PRELOAD = ["monai.bundle", "monai.engines", "monai_samadapt.engines", "monai_samadapt.tracking", "sam2.modeling"]
LIMIT = 120
"""Seconds after which a run counts as hanging."""
# deterministic samples: no augmentation, no dropout, boxes as prompts
PLAIN = {"train::preprocessing": "$@data_spec.training_transforms(@samples_per_volume, False)"}
EXACT: dict[str, dict[str, Any]] = {
    "s_sam": {},
    "balr_sam": {},
    "sam2_lora": {"dropout": 0.0, "train_prompt_modes": ["box"], "prompt_dropout": 0.0},
}


@dataclass(frozen=True)
class Ended:
    """How the processes of a run ended."""

    codes: list[int | None]
    logs: list[str]
    seconds: float


def files(name: str, configs: str) -> list[str]:
    return [str(BUNDLES / name / "configs" / f"{config}.json") for config in configs.split("+")]


def ids(name: str, **changes: Any) -> dict[str, Any]:
    own = {"bundle_root": str(BUNDLES / name), "variant": VARIANTS[name], "image_size": 64, "device": "cpu"}
    own |= {"tracking_uri": "off", "logging_file": False, "num_workers": 0, "cache_rate": 1.0}
    return own | changes


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="session")
def server() -> Any:
    """Processes forked from one that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    warm = context.Process(target=len, args=("",))  # the imports must not count as hanging
    warm.start()
    warm.join()
    return context


@pytest.fixture
def together(server: Any, tmp_path: Path) -> Any:
    """Run a bundle by two processes, or more; the last may be told to die in a step."""

    def start(config_files: list[str], settings: dict[str, Any], world: int = 2, die_at: int = 0) -> Ended:
        port, began = free_port(), time.monotonic()
        logs = [tmp_path / f"rank{rank}.log" for rank in range(world)]
        processes = []
        for rank, log in enumerate(logs):
            environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            told = {"environment": environment, "log": str(log), "files": config_files, "ids": settings}
            told["die_at"] = die_at if rank == world - 1 else 0
            script = str(Path(__file__).with_name("rank.py"))
            processes.append(server.Process(target=runpy.run_path, args=(script, {"told": told})))
        for process in processes:
            process.start()
        for process in processes:
            process.join(max(1.0, LIMIT - (time.monotonic() - began)))
        codes = [process.exitcode for process in processes]
        for process in processes:
            process.kill()
        return Ended(codes, [log.read_text() if log.exists() else "" for log in logs], time.monotonic() - began)

    return start


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine pictures: four to train, two to validate, three to test."""
    folder = write_demo_dataset(tmp_path_factory.mktemp("shared"), "fundus", 9, 0, size=(49, 63)).parent
    content = json.loads((folder / "datalist.json").read_text())
    cases = [case for section in ("training", "validation", "test") for case in content[section]]
    parts = {"training": cases[:4], "validation": cases[4:6], "test": cases[6:]}
    (folder / "datalist.json").write_text(json.dumps(content | parts))
    return folder


@pytest.fixture
def group() -> Iterator[None]:
    """A group of this process alone."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    idist.finalize()


def history(folder: Path, *names: str) -> torch.Tensor:
    with open(folder / "history.csv", newline="", encoding="utf-8") as stream:
        return torch.tensor([[float(row[name]) for name in names] for row in csv.DictReader(stream)])


def training(name: str, pictures: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    settings = {"dataset_dir": str(pictures), "output_dir": str(folder), "labels": {"Rim": 1, "Cup": 2}}
    settings |= {"checkpoint": "random", "max_epochs": 2, "val_interval": 1, "learning_rate": 1e-2}
    return ids(name, **settings | PLAIN | EXACT[name] | changes)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_two_processes_compute_what_one_does_with_the_doubled_batch(
    together: Any, pictures: Path, tmp_path: Path, name: str
) -> None:
    run(config_file=files(name, "train+image2d"), **training(name, pictures, tmp_path / "one", batch_size=4))
    shared = training(name, pictures, tmp_path / "two", batch_size=2)
    ended = together(files(name, "train+image2d+multi_gpu_train"), shared)
    assert ended.codes == [0, 0], ended.logs
    names = ("loss", "learning_rate", "val_mean_dice")
    one, two = (history(tmp_path / part, *names) for part in ("one", "two"))
    assert not torch.allclose(one[0, 0], one[1, 0], atol=1e-3)  # the second epoch's loss tells of the first's gradients
    torch.testing.assert_close(two, one, atol=1e-4, rtol=0)
    weights = [torch.load(tmp_path / part / "model.pt", weights_only=True) for part in ("one", "two")]
    moved = [{key: value for key, value in part.items() if value.is_floating_point()} for part in weights]
    torch.testing.assert_close(moved[1], moved[0], atol=2e-3, rtol=0)
    assert ended.logs[0].count("epoch 2/2") == 1
    assert "epoch" not in ended.logs[1]  # the first process alone prints
    counts = [json.loads((tmp_path / part / "manifest.json").read_text())["datalist"] for part in ("one", "two")]
    assert counts[0] == counts[1]


def test_evaluation_by_two_processes_has_the_figures_of_one(together: Any, pictures: Path, tmp_path: Path) -> None:
    settings = training("s_sam", pictures, tmp_path / "run", max_epochs=1)
    run(config_file=files("s_sam", "train+image2d"), **settings)
    evaluated = {key: value for key, value in settings.items() if key not in {*PLAIN, "checkpoint", "max_epochs"}}
    run(config_file=files("s_sam", "train+evaluate+image2d"), **evaluated, report_dir=str(tmp_path / "one"))
    shared = {**evaluated, "report_dir": str(tmp_path / "two")}  # three cases, so that one is seen twice
    ended = together(files("s_sam", "train+evaluate+image2d+multi_gpu_evaluate"), shared)
    assert ended.codes == [0, 0], ended.logs
    one, two = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two"))
    assert one == two
    data = [json.loads((tmp_path / name / "manifest.json").read_text())["data"] for name in ("one", "two")]
    assert data[0] == data[1]
    assert data[0]["items"] == {"test": 3}
    assert all("<h3>Best cases</h3>" in (tmp_path / name / "report.html").read_text() for name in ("one", "two"))
    rows = [sorted((tmp_path / name / "cases.csv").read_text().splitlines()) for name in ("one", "two")]
    assert rows[0] == rows[1]
    pictures_drawn = [sorted(path.name for path in (tmp_path / name / "overlays").iterdir()) for name in ("one", "two")]
    assert pictures_drawn[0] == pictures_drawn[1]


def test_more_processes_than_validation_cases_do_not_hang(together: Any, pictures: Path, tmp_path: Path) -> None:
    settings = training("s_sam", pictures, tmp_path / "run", batch_size=1, max_epochs=1)
    ended = together(files("s_sam", "train+image2d+multi_gpu_train"), settings, world=3)  # of two; of four to train
    assert ended.codes == [0, 0, 0], ended.logs
    assert (tmp_path / "run" / "model.pt").is_file()


def test_a_process_that_dies_ends_the_others_in_one_line(together: Any, pictures: Path, tmp_path: Path) -> None:
    settings = training("s_sam", pictures, tmp_path / "run", batch_size=1, max_epochs=3)
    ended = together(files("s_sam", "train+image2d+multi_gpu_train"), settings, die_at=4)  # of two steps an epoch
    assert ended.codes == [1, 9], ended.logs
    assert ended.seconds < LIMIT / 2
    last = ended.logs[0].strip().splitlines()[-1]
    assert last == (
        "processes=2: another process of the run has ended or does not answer; read its message; "
        "resume True goes on after the last epoch saved"
    )
    assert torch.load(tmp_path / "run" / "checkpoint_last.pt", weights_only=True)["epoch"] == 1


def test_run_resumes_on_another_number_of_processes(together: Any, pictures: Path, tmp_path: Path) -> None:
    settings = training("s_sam", pictures, tmp_path / "run", batch_size=1, max_epochs=4)
    ended = together(files("s_sam", "train+image2d+multi_gpu_train"), {**settings, "max_epochs": 2})
    assert ended.codes == [0, 0], ended.logs
    run(config_file=files("s_sam", "train+image2d"), **settings, resume=True)
    run(config_file=files("s_sam", "train+image2d"), **{**settings, "output_dir": str(tmp_path / "whole")})
    resumed, whole = (history(tmp_path / name, "epoch", "learning_rate") for name in ("run", "whole"))
    assert resumed[:, 0].tolist() == [1, 2, 3, 4]
    torch.testing.assert_close(resumed[2:], whole[2:])  # four steps an epoch now, of four epochs
    assert torch.load(tmp_path / "run" / "checkpoint_last.pt", weights_only=True)["world_size"] == 1


def test_an_error_of_one_process_ends_all_and_is_told_once(together: Any, pictures: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(pictures, tmp_path / "data")
    content = json.loads((copy / "datalist.json").read_text())
    broken = copy / content["training"][1]["image"]  # read by the second process
    broken.write_bytes(b"no picture")
    settings = training("s_sam", copy, tmp_path / "run", batch_size=1)
    ended = together(files("s_sam", "train+image2d+multi_gpu_train"), settings)
    assert ended.codes == [1, 1]
    assert [log.count(f"image={str(broken)!r}") for log in ended.logs] == [0, 1]
    assert not (tmp_path / "run" / "model.pt").exists()


@pytest.mark.parametrize("name", list(VARIANTS))
@pytest.mark.parametrize("configs", ["train+image2d+multi_gpu_train", "train+evaluate+image2d+multi_gpu_evaluate"])
def test_no_property_is_missing(group: None, pictures: Path, name: str, configs: str) -> None:
    settings = ids(name, dataset_dir=str(pictures), labels={"Rim": 1, "Cup": 2}, checkpoint="random")
    workflow = ConfigWorkflow(files(name, configs), workflow_type="train", init_id="none", **settings)
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.parser.get_parsed_content("processes") is None
    parameters = {"module." + key for key, value in workflow.network_def.named_parameters() if value.requires_grad}
    if "multi_gpu_train" in configs:
        reduced = {key for key, value in workflow.trainer.network.named_parameters() if value.requires_grad}
        assert reduced == parameters


def test_without_torchrun_the_overlay_says_what_to_start(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="start it by torchrun --nproc_per_node N"):
        run(
            config_file=files("s_sam", "train+image2d+multi_gpu_train"),
            **training("s_sam", pictures, tmp_path / "run"),
        )


def test_without_the_overlay_torchrun_is_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit, match=r"add configs/multi_gpu_train\.json"):
        run(config_file=files("s_sam", "train+image2d"), **training("s_sam", pictures, tmp_path / "run"))


@pytest.mark.slow
def test_torchrun_trains(pictures: Path, tmp_path: Path) -> None:
    settings = training("s_sam", pictures, tmp_path / "run", batch_size=2, max_epochs=1)
    words = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    configs = str(files("s_sam", "train+image2d+multi_gpu_train"))
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*start, "-m", "monai.bundle", "run", "--config_file", configs, *words]
    ended = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.count("epoch 1/1") == 1
    assert (tmp_path / "run" / "model.pt").is_file()
