"""A packed bundle is complete: settings, metadata, weights; it passes MONAI's own checks and trains on."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow, run, verify_net_in_out

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.cli import main
from monai_samadapt.commands.pack import parse_settings, source_of
from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import sha256
from monai_samadapt.packing import pack_base, pack_run
from monai_samadapt.reports.cases import read_cases, write_cases
from monai_samadapt.reports.jsonfile import write_json

NANO: dict[str, Any] = {"variant": "vit_nano", "checkpoint": "random", "image_size": 64}
QUIET = {"logging_file": False, "tracking_uri": "off", "device": "cpu"}
SHORT = {"num_workers": 0, "max_epochs": 2, "val_interval": 1}
VALUES = {"Liver": 3, "Spleen": 7}
FILES = {
    "LICENSE",
    "configs/evaluate.json",
    "configs/inference.json",
    "configs/logging.conf",
    "configs/metadata.json",
    "configs/multi_gpu_evaluate.json",
    "configs/multi_gpu_train.json",
    "configs/train.json",
    "docs/METHOD.md",
    "docs/README.md",
    "docs/data_license.txt",
    "models/adapter.json",
    "models/adapter.safetensors",
    "models/model.pt",
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained base of S-SAM for CT."""
    target = tmp_path_factory.mktemp("packed") / "liver.v1"
    pack_base(find_bundle("s_sam"), ["ct"], target, {**NANO, **SHORT, "labels": VALUES})
    return target


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five volumes whose labels are 1 and 2."""
    folder = write_demo_dataset(tmp_path_factory.mktemp("ct"), "ct", 5, 0, (48, 40, 12), (6.0, 6.0, 8.0)).parent
    for path in (folder / "labels").iterdir():
        image = nib.load(path)
        values = np.asarray(image.dataobj)
        nib.save(nib.Nifti1Image(np.where(values > 2, 0, values).astype(np.uint8), image.affine), path)
    return folder


def config(bundle: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle / "configs" / f"{name}.json").read_text(encoding="utf-8"))
    return content


def files(bundle: Path, *names: str) -> list[str]:
    return [str(bundle / "configs" / f"{name}.json") for name in names]


def run_packed(bundle: Path, *names: str, **ids: Any) -> None:
    run(config_file=files(bundle, *names), bundle_root=str(bundle), **{**QUIET, **ids})


def relative(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_has_its_files_and_settings(packed: Path) -> None:
    assert relative(packed) == FILES
    for name in ("train", "inference"):
        content = config(packed, name)
        found = {key: content[key] for key in ("variant", "image_size", "labels", "modality", "window", "checkpoint")}
        labels = ["Liver", "Spleen"]  # as results have them, 1 and 2, not 3 and 7
        expected = {"variant": "vit_nano", "image_size": 64, "labels": labels, "modality": "ct"}
        assert found == {**expected, "window": [-160.0, 240.0], "checkpoint": None}
    assert config(packed, "train")["max_epochs"] == 2
    assert packed.stat().st_mode & 0o777 == 0o755


def test_metadata_has_labels_and_three_dimensions(packed: Path) -> None:
    shapes = config(packed, "metadata")["network_data_format"]
    image, pred = shapes["inputs"]["image"], shapes["outputs"]["pred"]
    assert image["spatial_shape"] == pred["spatial_shape"] == [64, 64, "*"]
    assert pred["channel_def"] == {"0": "background", "1": "Liver", "2": "Spleen"}
    assert (image["num_channels"], pred["num_channels"]) == (3, 3)


def test_monai_finds_all_required_properties(packed: Path, data: Path) -> None:
    for kind, names in (("train", ["train"]), ("train", ["train", "evaluate"]), ("inference", ["inference"])):
        settings = {**QUIET, "bundle_root": str(packed), "dataset_dir": str(data)}
        workflow = ConfigWorkflow(files(packed, *names), workflow_type=kind, init_id="none", **settings)
        workflow.initialize()
        assert workflow.check_properties() == []


def test_the_network_fits_the_metadata(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    verify_net_in_out(
        "network_def", meta_file=files(packed, "metadata"), config_file=files(packed, "inference"), device="cpu", any=2
    )


def test_training_goes_on_from_its_weights_and_replaces_them(
    packed: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    bundle = tmp_path / "bundle"
    zipped = tmp_path / "again.zip"
    pack_run(packed / "models", find_bundle("s_sam"), zipped, SHORT)
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "again").rename(bundle)
    assert relative(bundle) == FILES
    before, base = sha256(bundle / "models/model.pt"), config_of_adapter(bundle)["base"]
    assert before == sha256(packed / "models/model.pt") and base["checkpoint"] == "random"
    ids = {"dataset_dir": str(data), "labels": ["Liver", "Spleen", "Kidneys", "Lesion"]}
    with pytest.raises(SystemExit, match="does not fit the network"):
        run_packed(bundle, "train", **ids)
    assert sha256(bundle / "models/model.pt") == before
    del ids["labels"]
    run_packed(bundle, "train", **ids)
    after = sha256(bundle / "models/model.pt")
    assert after != before and after == sha256(bundle / "runs/latest/model.pt")
    assert config_of_adapter(bundle)["base"] == base
    assert config_of_adapter(bundle)["run"]["best"]["epoch"] in (1, 2)
    frozen = [torch.load(folder / "models/model.pt", weights_only=True) for folder in (packed, bundle)]
    name = "sam.prompt_encoder.no_mask_embed.weight"
    assert torch.equal(frozen[0][name], frozen[1][name])
    run_packed(bundle, "inference", dataset_dir=str(data / "images"), output_dir=str(tmp_path / "out"))
    assert len(list((tmp_path / "out").rglob("*_seg.nii.gz"))) == 5


def config_of_adapter(bundle: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle / "models/adapter.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize(
    ("name", "overlay", "channels"),
    [
        ("balr_sam", "ct", {"0": "background", "1": "Liver", "2": "Spleen"}),
        ("balr_sam", "mri", {"0": "background", "1": "Liver", "2": "Spleen"}),
        ("sam2_lora", "fundus_disc_cup", {"0": "Disc", "1": "Cup"}),
    ],
)
def test_the_other_methods(name: str, overlay: str, channels: dict[str, str], tmp_path: Path) -> None:
    ids = {**NANO, "variant": "hiera_nano" if name == "sam2_lora" else "vit_nano"}
    volumes = {"ct": ("hounsfield", "CT"), "mri": ("magnitude", "MR")}
    ids |= {"labels": ["Liver", "Spleen"]} if overlay in volumes else {}
    pack_base(find_bundle(name), [overlay], tmp_path / "packed", ids)
    data = config(tmp_path / "packed", "metadata")["network_data_format"]
    pred, image = data["outputs"]["pred"], data["inputs"]["image"]
    assert pred["channel_def"] == channels and pred["num_channels"] == len(channels)
    assert pred["spatial_shape"] == ([64, 64, "*"] if overlay in volumes else [64, 64])
    assert (image["format"], image["modality"]) == volumes.get(overlay, (image["format"], image["modality"]))
    configs = {
        "meta_file": files(tmp_path / "packed", "metadata"),
        "config_file": files(tmp_path / "packed", "inference"),
    }
    verify_net_in_out("network_def", device="cpu", any=2, **configs)
    assert source_of(tmp_path / "packed" / "models").name == name


def test_what_cannot_be_packed_is_refused(packed: Path, tmp_path: Path) -> None:
    source = find_bundle("s_sam")
    with pytest.raises(SamAdaptError, match="is there already"):
        pack_run(packed / "models", source, packed)
    with pytest.raises(SamAdaptError, match=r"holds no adapter.json"):
        pack_run(tmp_path, source, tmp_path / "new")
    with pytest.raises(SamAdaptError, match="image_size=128: is decided by the run"):
        pack_run(packed / "models", source, tmp_path / "new", {"image_size": 128})
    assert main(["pack", str(packed / "models"), "--overlay", "mri", "--to", str(tmp_path / "new")]) == 1
    with pytest.raises(SamAdaptError, match="epochs=3: is no id of this bundle; give one of"):
        pack_base(source, ["ct"], tmp_path / "new", {"epochs": 3})
    with pytest.raises(SamAdaptError, match="overlay='pet': is no configuration of s_sam; give one of"):
        pack_base(source, ["pet"], tmp_path / "new", NANO)
    with pytest.raises(SamAdaptError, match="set='labels': has no value"):
        parse_settings(["labels"])
    assert list(tmp_path.iterdir()) == []
    assert parse_settings(["labels=['A','B']", "checkpoint=random"]) == {"labels": ["A", "B"], "checkpoint": "random"}


def test_the_page_with_pictures_of_cases_comes_only_when_asked_for(packed: Path, tmp_path: Path) -> None:
    source, run_dir = find_bundle("s_sam"), tmp_path / "run"
    shutil.copytree(packed / "models", run_dir)
    with pytest.raises(SamAdaptError, match="was not evaluated"):
        pack_run(run_dir, source, tmp_path / "none", with_report=True)
    report = run_dir / "evaluation"
    (report / "overlays").mkdir(parents=True)
    for name in ("report.html", "overlays/a.png"):
        (report / name).write_text("{}", encoding="utf-8")
    rows = [{"case": case, "label": label, "dice": 0.5} for case in ("doe", "roe") for label in ("A", "B")]
    write_cases([{**row, "file": f"/data/{row['case']}.png"} for row in rows], report / "cases.csv")
    own, prompted = ({"labels": {"Liver": {"metrics": {"dice": {"mean": mean}}}}} for mean in (0.5, 0.95))
    summary = {"prompts": "box (ground truth)", **prompted, "other_prompts": [{"prompts": "none", **own}]}
    write_json(summary, report / "summary.json")
    pack_run(run_dir, source, tmp_path / "plain")
    pack_run(run_dir, source, tmp_path / "shown", with_report=True)
    assert config(tmp_path / "plain", "metadata")["eval_metrics"] == {"dice_Liver": 0.5}  # not what prompts gave
    tables = {"docs/evaluation/summary.json", "docs/evaluation/cases.csv"}
    assert relative(tmp_path / "plain") == FILES | tables
    numbered = read_cases(tmp_path / "plain" / "docs" / "evaluation" / "cases.csv")
    assert [(row["case"], row["label"], row["dice"], row["file"]) for row in numbered] == [
        (number, label, 0.5, "") for number in ("1", "2") for label in ("A", "B")
    ]
    assert read_cases(tmp_path / "shown" / "docs" / "evaluation" / "cases.csv")[0]["case"] == "doe"
    assert relative(tmp_path / "shown") == FILES | tables | {"docs/evaluation/report.html"}


def test_an_evaluation_of_other_weights_is_left_out(packed: Path, tmp_path: Path) -> None:
    source, run_dir = find_bundle("s_sam"), tmp_path / "run"
    shutil.copytree(packed / "models", run_dir)
    own = {"labels": {"Liver": {"metrics": {"dice": {"mean": 0.5}}}}}
    write_json({"prompts": "none", **own, "other_prompts": []}, run_dir / "evaluation" / "summary.json")
    for sha, scores in ((sha256(run_dir / "model.pt"), {"dice_Liver": 0.5}), ("0" * 64, {})):
        write_json({"model_sha256": sha}, run_dir / "evaluation" / "manifest.json")
        pack_run(run_dir, source, tmp_path / sha)
        assert config(tmp_path / sha, "metadata")["eval_metrics"] == scores
        assert (tmp_path / sha / "docs" / "evaluation").is_dir() is bool(scores)
    with pytest.raises(SamAdaptError, match="was not evaluated with these weights"):
        pack_run(run_dir, source, tmp_path / "none", with_report=True)
