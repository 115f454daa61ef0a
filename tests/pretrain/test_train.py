"""A tiny run: schedule, growing images, exact resume, export."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from monai_samadapt.backbones import build_sam
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.pretrain.__main__ import main
from monai_samadapt.pretrain.config import PretrainConfig
from monai_samadapt.pretrain.source import ProceduralScenes
from monai_samadapt.pretrain.state import RunState
from monai_samadapt.pretrain.train import Runtime, train

TINY = PretrainConfig(sizes=(32, 64), shares=(0.5, 1.0), batch_sizes=(2, 2), prompts=8, warmup=2, steps=4)
SCENES = ProceduralScenes(torch.device("cpu"))


def test_schedule() -> None:
    config = PretrainConfig(seconds=100, warmup=10, learning_rate=1.0)
    assert [config.phase(value) for value in (0, 0.15, 0.59, 0.6, 1)] == [0, 1, 1, 2, 2]
    assert config.rate(4, 0) == pytest.approx(0.5)
    assert config.rate(50, 0.5) == pytest.approx(0.505) and config.rate(50, 1) == pytest.approx(0.01)
    assert config.progress(1_000, 25) == 0.25 and config.progress(0, 250) == 1
    assert replace(config, steps=10, seconds=100).progress(9, 25) == 0.9


@pytest.mark.parametrize(
    ("key", "change"), [("steps", {"steps": 0}), ("shares", {"shares": (1.0,)}), ("prompts", {"prompts": 6})]
)
def test_wrong_settings_are_refused(key: str, change: dict[str, object]) -> None:
    with pytest.raises(SamAdaptError, match=rf"^{key}="):
        replace(TINY, **change)  # type: ignore[arg-type]


def test_resume_is_exact(tmp_path: Path) -> None:
    def run(folder: str) -> RunState:
        (tmp_path / folder).mkdir(exist_ok=True)
        return train(TINY, Runtime(tmp_path / folder, torch.device("cpu"), threads=2, log_steps=1), SCENES)

    def stop(*draw: int) -> object:
        if draw[0] == 64 and draw[2] // 64 == 3:
            raise KeyboardInterrupt
        return SCENES(*draw)

    whole = run("whole")
    (tmp_path / "parts").mkdir()
    runtime = Runtime(tmp_path / "parts", torch.device("cpu"), threads=2, save_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, runtime, stop)  # type: ignore[arg-type]
    resumed = run("parts")
    assert resumed.step == whole.step == 4 and resumed.phase == 1
    for name, value in whole.sam.state_dict().items():
        assert torch.equal(value, resumed.sam.state_dict()[name]), name
        assert torch.equal(whole.average[name], resumed.average[name]), name
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [line["size"] for line in lines] == [32, 32, 64, 64]


def test_a_checkpoint_of_other_sizes_is_refused(tmp_path: Path) -> None:
    RunState(TINY, torch.device("cpu")).save(tmp_path / "checkpoint.pt")
    with pytest.raises(SamAdaptError, match=r"^sizes="):
        train(replace(TINY, sizes=(32, 96)), Runtime(tmp_path, torch.device("cpu")), SCENES)


def test_command_line_writes_weights_that_load(tmp_path: Path) -> None:
    settings = "--sizes 32 --shares 1 --batch-sizes 1 --prompts 8 --steps 1 --seed 3"
    main(["--output", str(tmp_path), *settings.split()])
    path = tmp_path / "sam_vit_nano.safetensors"
    assert path.stat().st_size < 8e6
    sam = build_sam("vit_nano", 32, str(path))
    average = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["average"]
    for name, value in sam.state_dict().items():
        torch.testing.assert_close(value, average[name], atol=1e-3, rtol=1e-3)
    with safe_open(path, "pt") as file:
        assert file.metadata()["licence"] == "Apache-2.0"
        assert json.loads(file.metadata()["recipe"])["seed"] == 3


def test_a_wrong_setting_ends_the_command_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^prompts=7: ") as error:
        main(["--output", str(tmp_path), "--steps", "1", "--prompts", "7"])
    assert "\n" not in str(error.value)


def test_images_made_ahead_are_those_of_one_larger_batch_in_order() -> None:
    whole = SCENES(32, 6, 640)
    ahead = ProceduralScenes(torch.device("cpu"), 3)
    parts = [ahead(32, 2, seed) for seed in (640, 704, 768)]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.masks for part in parts]), whole.masks)
    other = ahead(32, 2, 641)  # of another shard
    assert torch.equal(other.images, SCENES(32, 6, 641).images[:2])
    assert torch.equal(ahead(32, 2, 832).images, SCENES(32, 6, 832).images[:2])
