"""What a run is known by."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from monai_samadapt import __version__
from monai_samadapt.datasets.fingerprint import data_fingerprint
from monai_samadapt.networks import SSam
from monai_samadapt.tracking.parameters import parameter_text, run_parameters
from monai_samadapt.transforms import DataSpec


def sections(root: Path) -> dict[str, list[dict[str, str]]]:
    return {
        "training": [{"image": str(root / "a" / "1.png"), "label": str(root / "b" / "1.png"), "subject": "1"}],
        "validation": [{"image": str(root / "a" / "series")}],
    }


def write(root: Path) -> None:
    for name, size in (("a/1.png", 3), ("b/1.png", 5), ("a/series/1.dcm", 7), ("a/series/2.dcm", 11)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * size)


def test_fingerprint_is_that_of_names_sizes_and_sections(tmp_path: Path) -> None:
    write(tmp_path)
    text = (
        '{"training":[{"image":["a/1.png",3],"label":["b/1.png",5],"subject":"1"}],'
        '"validation":[{"image":["a/series",18]}]}'
    )
    assert data_fingerprint(sections(tmp_path)) == hashlib.sha256(text.encode()).hexdigest()


def test_fingerprint_of_labels_in_a_file_each(tmp_path: Path) -> None:
    write(tmp_path)
    files = [str(tmp_path / "b" / "1.png"), str(tmp_path / "a" / "series" / "1.dcm")]
    text = '{"test":[{"image":["a/1.png",3],"label":["b/1.png",5,"a/series/1.dcm",7]}]}'
    item = {"image": str(tmp_path / "a" / "1.png"), "label": files}
    assert data_fingerprint({"test": [item]}) == hashlib.sha256(text.encode()).hexdigest()


def test_fingerprint_is_the_same_elsewhere_and_another_when_data_changes(tmp_path: Path) -> None:
    write(tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    first, second = sections(tmp_path / "first"), sections(tmp_path / "second")
    assert data_fingerprint(first) == data_fingerprint(second)
    (tmp_path / "second" / "a" / "series" / "2.dcm").write_bytes(b"x" * 12)
    assert data_fingerprint(first) != data_fingerprint(second)
    moved = {"training": first["training"] + first["validation"], "validation": []}
    assert data_fingerprint(first) != data_fingerprint(moved)


def test_parameters_of_a_run(tmp_path: Path) -> None:
    write(tmp_path)
    network = SSam("vit_nano", 64, labels=["Disc", "Cup"], checkpoint="random", seed=3)
    spec = DataSpec("image2d", ["Disc", "Cup"], image_size=64)
    found = run_parameters(network, spec, sections(tmp_path), {"learning_rate": 1e-4, "amp": True})
    trainable = sum(value.numel() for value in network.parameters() if value.requires_grad)
    expected = {
        "method": "s_sam",
        "variant": "vit_nano",
        "image_size": "64",
        "labels": '["Disc", "Cup"]',
        "modality": "image2d",
        "seed": "3",
        "learning_rate": "0.0001",
        "amp": "true",
        "trainable": str(trainable),
        "base": "random",
        "base_sha256": network.base_sha256,
        "data_sha256": data_fingerprint(sections(tmp_path)),
        "training_items": "1",
        "validation_items": "1",
        "version": __version__,
    }
    assert {key: found[key] for key in expected} == expected
    share = 100 * trainable / network.parameter_report().base
    assert abs(float(found["trainable_percent"]) - share) < 1e-5
    assert "rank" not in found  # S-SAM has none


def test_long_values_are_cut_to_what_mlflow_takes() -> None:
    assert parameter_text(["x" * 7000]) == json.dumps(["x" * 7000])[:6000]
