"""What doctor says about the environment, and about the memory of a setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from monai_samadapt.cli import main
from monai_samadapt.commands import environment

SMALL = ["--bundle", "s_sam", "--variant", "vit_nano", "--image_size", "64", "--device", "cpu", "--labels", "['A','B']"]
NEEDS = r"needs (\d+\.\d+) GiB \(weights \d+\.\d+, gradients and moments \d+\.\d+, step (\d+\.\d+)\), .* can be had"


def doctor(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["doctor", *words]) == 0
    return capsys.readouterr().out.strip().splitlines()


def test_environment_is_fine_here(capsys: pytest.CaptureFixture[str]) -> None:
    lines = doctor(capsys)
    assert len(lines) == 7
    assert lines[1].startswith(f"ok  torch {torch.__version__}, torchvision ")
    assert "monai-samadapt" in lines[3]
    assert "sam_vit_nano, sam2.1_hiera_nano" in lines[6]


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "installed", lambda name: None if name == "sam2" else "1.0")
    fine, text = environment.packages()
    assert not fine
    assert text.endswith(": pip install sam2")


def test_setting_that_fits_is_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    lines = doctor(capsys, *SMALL, "--batch_size", "4", "--memory_gib", "1")
    assert lines[0] == "vit_nano at 64 px, 4 images a step, float32, checkpointing off"
    assert re.fullmatch(NEEDS, lines[1])
    assert lines[2] == "fits"


def test_advice_fits_and_keeps_the_images_of_an_update(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["--image_size", "256", "--batch_size", "8"]  # the later --image_size counts
    found = re.fullmatch(NEEDS, doctor(capsys, *SMALL, *wanted, "--memory_gib", "9")[1])
    assert found is not None
    budget = ["--memory_gib", str(float(found[1]) / 3)]
    line = doctor(capsys, *SMALL, *wanted, *budget)[2]
    said = re.match(r"set activation_checkpointing True, batch_size (\d), accumulation_steps (\d)", line)
    assert said is not None, line
    size, steps = int(said[1]), int(said[2])
    assert 8 <= size * steps < 8 + size
    changed = ["--activation_checkpointing", "True", "--image_size", "256", "--batch_size", str(size)]
    assert doctor(capsys, *SMALL, *changed, *budget)[2] == "fits"


def test_slices_of_volumes_and_overlays_count(capsys: pytest.CaptureFixture[str]) -> None:
    usual = doctor(capsys, *SMALL, "--overlay", "ct", "--memory_gib", "9")
    assert usual[0].startswith("vit_nano at 64 px, 8 images a step")  # one volume of eight slices
    for batch, samples, images in ((3, 8, 3), (8, 3, 6), (8, 4, 8)):  # one volume of three, two of three, two of four
        counts = ["--batch_size", str(batch), "--samples_per_volume", str(samples)]
        lines = doctor(capsys, *SMALL, "--overlay", "ct", *counts, "--memory_gib", "9")
        assert lines[0].startswith(f"vit_nano at 64 px, {images} images a step")
    low = doctor(capsys, *SMALL, "--overlay", "ct", "--overlay", "low_memory", "--memory_gib", "9")
    assert low[0] == "vit_nano at 64 px, 1 images a step, float32, checkpointing on"


def test_advice_for_volumes_fits_when_followed(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.fullmatch(
        NEEDS, doctor(capsys, *SMALL, "--overlay", "ct", "--image_size", "256", "--memory_gib", "9")[1]
    )
    assert found is not None
    wanted = ["--overlay", "ct", "--image_size", "256", "--memory_gib", str(float(found[1]) / 3)]
    advice = doctor(capsys, *SMALL, *wanted)[2]
    said = re.match(r"set (activation_checkpointing True), (batch_size \d), accumulation_steps \d \(needs", advice)
    assert said is not None, advice
    changed = [word for part in said.groups() for word in f"--{part}".split()]
    lines = doctor(capsys, *SMALL, *wanted, *changed)
    assert f", {said[2].split()[1]} images a step" in lines[0] and lines[2] == "fits"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_planning_for_another_machine_needs_its_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *SMALL, "--device", "cuda"]) == 1
    assert capsys.readouterr().err.startswith("device='cuda': no CUDA device here; give --memory_gib")
    assert doctor(capsys, *SMALL, "--device", "cuda", "--memory_gib", "16")[2] == "fits"


def test_an_overlay_of_the_user_s_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.json").write_text('{"image_size": 128}')
    here = doctor(capsys, "--bundle", "s_sam", "--variant", "vit_nano", "--overlay", str(tmp_path / "settings.json"))
    assert here[0].startswith("vit_nano at 128 px")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{bad", r"^overlay='.*own.json': cannot be read \(Expecting property name"),
        ("[1, 2]", r"^overlay='.*own.json': is no JSON object; give ids"),
        ('{"windw": 3}', "^windw=3: is no id of the bundle s_sam; see the table of ids"),
    ],
)
def test_unusable_overlays_end_in_one_line(
    tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.json").write_text(content)
    assert main(["doctor", "--bundle", "s_sam", "--overlay", str(tmp_path / "own.json")]) == 1
    error = capsys.readouterr().err
    assert re.match(message, error) and error.count("\n") == 1


def test_ids_without_a_bundle_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for option, value in (("--overlay", "ct"), ("--image_size", "256")):
        assert main(["doctor", option, value]) == 1
        assert re.match(rf"{option[2:]}=.*: is for the memory of a bundle; give --bundle too", capsys.readouterr().err)


def test_a_folder_that_is_no_bundle_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--bundle", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"bundle={str(tmp_path)!r}: has no configs/train.json; ")


def test_unknown_overlay_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--bundle", "s_sam", "--overlay", "pet"]) == 1
    assert capsys.readouterr().err.startswith(
        "overlay='pet': is no configuration of s_sam; give one of ct, fundus_disc, "
    )
