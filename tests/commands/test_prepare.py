"""`samadapt prepare`: what it prints, and that the printed commands train."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import run
from PIL import Image

from monai_samadapt.cli import main
from monai_samadapt.commands.prepare import quoted
from monai_samadapt.datasets import read_split
from monai_samadapt.datasets.public import OWN, SETS
from monai_samadapt.engines.lock import locked

NANO = {"s_sam": "vit_nano", "balr_sam": "vit_nano", "sam2_lora": "hiera_nano"}
SMALL = {"checkpoint": "random", "image_size": 64, "max_epochs": 1, "val_interval": 1, "batch_size": 2}
QUIET = {"device": "cpu", "tracking_uri": "off", "logging_file": False}


def papila(root: Path) -> None:
    """Five patients with photographs of 48 × 40 pixels."""
    contours = root / "ExpertsSegmentations" / "Contours"
    contours.mkdir(parents=True)
    (root / "FundusImages").mkdir()
    rng = np.random.default_rng(0)
    for patient in range(2, 7):
        name = f"RET{patient:03d}OD"
        pixels = rng.integers(90, 200, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "FundusImages" / f"{name}.jpg")
        for part, low, high in (("disc", 10, 30), ("cup", 15, 24)):
            corners = np.array([(low, low), (high, low), (high, high), (low, high)])
            for expert in (1, 2):
                np.savetxt(contours / f"{name}_{part}_exp{expert}.txt", corners)


def test_list_has_every_set_and_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*SETS, *OWN]
    assert re.fullmatch(r"g1020 +not established: ask its owners +optic disc and cup", lines[7])
    assert len(SETS) == 19


def test_printed_commands_train_each_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    papila(tmp_path / "download")
    output = tmp_path / "prepared by me"
    assert main(["prepare", "papila", str(tmp_path / "download"), "--output", str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PAPILA: optic disc and cup"
    assert "  licence   GPL-3.0 or later, by its record (unconfirmed)" in lines
    assert "            3 training, 1 validation, 1 test" in lines
    assert "  labels    Disc = [1, 2], Cup = 2" in lines
    assert f"wrote {output}/datalist.json, {output}/settings.json and 10 made files" in lines
    settings = json.loads((output / "settings.json").read_text())
    assert settings["labels"] == {"Disc": [1, 2], "Cup": 2} and settings["nested"] is True
    assert not {"dataset_dir", "datalist"} & set(settings)  # it goes with other images too
    assert Path(read_split(output).test[0]["image"]).is_file()
    commands = [shlex.split(line) for line in lines if line.startswith("  python -m monai.bundle run")]
    assert len(commands) == 3
    for words in commands:
        options = dict(zip(words[4::2], words[5::2], strict=True))
        bundle = Path(options["--bundle_root"])
        folder = tmp_path / options["--output_dir"]
        shared = {"bundle_root": str(bundle), "variant": NANO[bundle.name], **QUIET}
        files = ast.literal_eval(options["--config_file"])
        shared["dataset_dir"] = options["--dataset_dir"]
        run(config_file=files, output_dir=str(folder), num_workers=0, **shared, **SMALL)
        trained = json.loads((folder / "adapter.json").read_text())["preprocessing"]
        assert trained["modality"] == "fundus" and trained["labels"] == {"Disc": [1, 2], "Cup": 2}
        assert len(json.loads((folder / "datalist.json").read_text())["training"]) == 3
    evaluate, inference = (str(bundle / "configs" / f"{name}.json") for name in ("evaluate", "inference"))
    run(config_file=[files[0], evaluate, files[1]], output_dir=str(folder), num_workers=0, image_size=64, **shared)
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    assert list(summary["labels"]) == ["Disc", "Cup"]
    ids = {"output_dir": str(tmp_path / "maps"), "model_file": str(folder / "model.pt"), "image_size": 64}
    run(config_file=[inference, files[1]], **ids, **shared)
    image = Path(read_split(output).test[0]["image"])
    written = sorted(path.relative_to(tmp_path / "maps") for path in (tmp_path / "maps").rglob("*_seg*.png"))
    assert written == [Path(f"FundusImages/{image.stem}_seg_{label}.png") for label in ("Cup", "Disc")]
    capsys.readouterr()
    run(config_file=[inference, files[1]], skip_finished=True, **ids, **shared)
    assert "0 of 1 cases are to be done" in capsys.readouterr().out
    own = {**ids, "output_dir": str(tmp_path / "own"), "datalist": str(folder / "datalist.json")}
    run(config_file=[inference, files[1]], **own, **shared)  # with the run's own list
    assert sorted(path.relative_to(tmp_path / "own") for path in (tmp_path / "own").rglob("*_seg*.png")) == written
    (tmp_path / "new").mkdir()
    shutil.copy(image, tmp_path / "new" / "other.jpg")
    run(config_file=[inference, files[1]], **ids, **{**shared, "dataset_dir": str(tmp_path / "new")})
    names = ("other_seg_Cup.png", "other_seg_Disc.png")
    assert sorted(path.name for path in (tmp_path / "maps").glob("*.png")) == [*names]
    for name, label in zip(names, ("Cup", "Disc"), strict=True):
        of_list = np.asarray(Image.open(tmp_path / "maps" / "FundusImages" / f"{image.stem}_seg_{label}.png"))
        assert (of_list == np.asarray(Image.open(tmp_path / "maps" / name))).all() and of_list.shape == (40, 48)


def test_a_folder_that_is_being_prepared_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    papila(tmp_path / "download")
    output = tmp_path / "lists"
    with locked(output, "output", "prepare"):
        assert main(["prepare", "papila", str(tmp_path / "download"), "--output", str(output)]) == 1
    message = f"output={str(output)!r}: another prepare is writing there; wait for it, or give another output\n"
    assert capsys.readouterr().err == message and [path.name for path in output.iterdir()] == [".lock"]
    assert main(["prepare", "papila", str(tmp_path / "download"), "--output", str(output)]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "."], r"^name='nothing': no known data set, or no source; give one of chase_db1, drive, "),
        (["drive"], "^name='drive': no known data set, or no source"),
        (["drive", "nowhere"], "^source='.*nowhere': no such folder"),
        (["drive", "empty"], "^source='.*empty': holds no training/images and test/images; give the folder of the unp"),
        (["drive", "empty", "--output", "empty/x"], "^output='.*empty/x': lies in the source, which is never written"),
        (["drive", "empty", "--output", "a#b"], "^output='.*a#b': MONAI's configuration reads '#' as '::'"),
        (["drive", "empty", "--labels", "x"], r"^labels=\['x'\]: is not for drive; leave it out"),
        (["nnunet", "empty"], "^source='.*empty': holds no dataset.json and imagesTr and labelsTr"),
    ],
)
def test_wrong_arguments_end_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["prepare", *arguments]) == 1
    error = capsys.readouterr().err
    assert re.match(message, error) and error.count("\n") == 1


@pytest.mark.parametrize("folder", ["o'brien x", 'say "a"', "$HOME", "plain"])
def test_printed_lists_of_files_survive_the_shell(folder: str) -> None:
    files = [f"/b/{folder}/train.json", f"/b/{folder}/settings.json"]
    words = subprocess.run(["bash", "-c", f"printf %s {quoted(files)}"], capture_output=True, text=True, check=True)
    assert ast.literal_eval(words.stdout) == files
    assert quoted(["/b/a", "/b/c"]) == """"['/b/a','/b/c']\""""
