"""Other ways to run the bundle: overlapping labels, neighbouring slices, pixel size, embeddings, lists of items."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from monai_samadapt.engines.artefacts import network_from_adapter
from monai_samadapt.networks.label_embeddings import fixed_embeddings, write_embeddings


def column(path: Path, name: str) -> list[str]:
    with open(path, newline="", encoding="utf-8") as stream:
        return [row[name] for row in csv.DictReader(stream)]


def mean_dice(report: Path) -> float:
    summary = json.loads((report / "summary.json").read_text(encoding="utf-8"))
    return float(summary["overall"]["metrics"]["dice"]["mean"])


def test_overlapping_labels_from_training_to_files(bundle: Any, picture_data: Path, tmp_path: Path) -> None:
    """The disc contains the cup; each becomes a picture of its own."""
    ids = {"dataset_dir": str(picture_data), "labels": {"Disc": [1, 2], "Cup": 2}}
    training = {"checkpoint": "random", "num_workers": 0, "learning_rate": 1e-4, "max_epochs": 1, "val_interval": 1}
    bundle.run("train+image2d", output_dir=str(tmp_path), **ids, **training)
    ids["model_file"] = str(tmp_path / "model.pt")
    bundle.run("inference+image2d", output_dir=str(tmp_path / "pred"), **ids)
    bundle.run("train+evaluate+image2d", output_dir=str(tmp_path), report_dir=str(tmp_path / "report"), **ids)
    case = json.loads((picture_data / "datalist.json").read_text(encoding="utf-8"))["test"][0]
    label, view = (np.asarray(Image.open(picture_data / case[key])) for key in ("label", "mask"))
    expected = []
    for name, truth in {"Disc": label > 0, "Cup": label == 2}.items():
        pixels = np.asarray(Image.open(tmp_path / "pred" / "images" / f"{case['subject']}_seg_{name}.png"))
        assert set(np.unique(pixels)) <= {0, 255}
        pred, inside = pixels > 0, view > 0
        expected.append(
            2 * float((pred & truth & inside).sum()) / float((pred & inside).sum() + (truth & inside).sum())
        )
    assert max(expected) > 0
    assert [float(value) for value in column(tmp_path / "report" / "cases.csv", "dice")] == pytest.approx(
        expected, abs=1e-6
    )


def test_neighbours_and_pixel_size_are_those_of_training(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path
) -> None:
    settings = {"neighbours": True, "spacing": [8.0, 7.0], "slice_batch": 5, "activation_checkpointing": True}
    bundle.run("train+ct", output_dir=str(tmp_path), **{**ct_training, "max_epochs": 1}, **settings)
    shared = {key: ct_training[key] for key in ("dataset_dir", "labels")}
    ids = {**shared, "neighbours": True, "spacing": [8.0, 7.0], "section": "validation"}
    bundle.run("train+evaluate+ct", output_dir=str(tmp_path), **ids)
    trained = float(column(tmp_path / "history.csv", "val_mean_dice")[0])
    assert mean_dice(tmp_path / "evaluation") == pytest.approx(trained, abs=1e-6)
    assert trained > 0.005


def test_embeddings_of_a_file_travel_with_the_adapter(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    names = ct_training["labels"]
    write_embeddings(tmp_path / "labels.safetensors", names, fixed_embeddings(5)[1:].flip(0), "test")
    ids = {**ct_training, "max_epochs": 1, "label_embeddings": str(tmp_path / "labels.safetensors")}
    bundle.run("train+ct", output_dir=str(tmp_path / "run"), **ids)
    (tmp_path / "labels.safetensors").unlink()
    network = network_from_adapter(tmp_path / "run")
    torch.testing.assert_close(network.label_embeddings, fixed_embeddings(5)[1:].flip(0), atol=0, rtol=0)


def test_lists_of_items_take_the_place_of_the_data_folder(
    bundle: Any, ct_training: dict[str, Any], ct_data: Path, tmp_path: Path
) -> None:
    """MONAI Label gives the items themselves and leaves ``dataset_dir`` as it is."""
    sections = json.loads((ct_data / "datalist.json").read_text(encoding="utf-8"))
    items = {
        f"{workflow}#dataset#data": [
            {key: str(ct_data / item[key]) for key in ("image", "label")} for item in sections[section]
        ]
        for workflow, section in (("train", "training"), ("validate", "validation"))
    }
    ids = {**ct_training, "dataset_dir": str(tmp_path / "nowhere"), "max_epochs": 1}
    bundle.run("train+ct", output_dir=str(tmp_path / "run"), **ids, **items)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["datalist"]["items"] == {"training": 3, "validation": 1}
    assert (tmp_path / "run" / "model.pt").is_file()
