"""LiTS, Synapse, the Decathlon's and nnU-Net's folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monai_samadapt.datasets.public import OWN, prepare
from monai_samadapt.errors import SamAdaptError

from .conftest import Miniature, loaded, subjects

AFFINE = np.array([[-0.8, 0, 0, 10], [0, 0.7, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1]])
SHAPE = (6, 5, 3)


def volume(path: Path, values: np.ndarray | None = None, low: int = -1000) -> None:
    """A CT with air, or a label map of the given values on its diagonal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.full(SHAPE, low, np.int16)
    array[1:4] = 40
    if values is not None:
        array = np.zeros(SHAPE, np.int16)
        array.reshape(-1)[: len(values)] = values
    image = nib.Nifti1Image(array, AFFINE)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def test_lits_batches_are_one_set_split_by_volume(mini: Miniature) -> None:
    for number in range(10):
        batch = mini.root / f"Training Batch {1 + number // 5}"
        volume(batch / f"volume-{number}.nii")
        volume(batch / f"segmentation-{number}.nii", np.arange(3))
    prepared = mini.prepare("lits")
    assert [len(part) for part in subjects(prepared)] == [7, 1, 2]
    assert prepared.settings["labels"] == {"Liver": 1, "Tumor": 2} and prepared.settings["window"] == [-160, 240]
    assert prepared.made == 0
    label = loaded(prepared)["label"].numpy()[0]
    assert [int((label == value).sum()) for value in range(3)] == [88, 1, 1]
    (mini.root / "Training Batch 2/segmentation-7.nii").unlink()
    with pytest.raises(SamAdaptError, match=r"image='.*volume-7.nii': has no label"):
        mini.prepare("lits")


def test_synapse_keeps_eight_of_thirteen_organs_and_the_split_of_transunet(mini: Miniature) -> None:
    numbers = [*range(1, 11), *range(21, 41)]
    for number in numbers:
        volume(mini.root / f"Abdomen/RawData/Training/img/img{number:04d}.nii.gz")
        volume(mini.root / f"Abdomen/RawData/Training/label/label{number:04d}.nii.gz", np.arange(14))
    volume(mini.root / "Abdomen/RawData/Testing/img/img0061.nii.gz")
    prepared = mini.prepare("synapse")
    training, validation, test = subjects(prepared)
    assert test == ["0001", "0002", "0003", "0004", "0008", "0022", "0025", "0029", "0032", "0035", "0036", "0038"]
    assert (len(training), len(validation)) == (14, 4)
    assert prepared.settings["window"] == [-125, 275] and prepared.made == 30
    assert prepared.notes == ["1 images of the challenge's test have no label and are left out"]
    made = nib.load(mini.output / prepared.split.test[0]["label"])
    # 0, spleen, right and left kidney, gallbladder, -, liver, stomach, aorta, -, -, pancreas, -, -
    assert np.asarray(made.dataobj).reshape(-1)[:14].tolist() == [0, 7, 4, 3, 2, 0, 5, 8, 1, 0, 0, 6, 0, 0]
    assert np.allclose(made.affine, AFFINE) and made.get_data_dtype() == np.uint8
    assert prepared.settings["labels"]["Spleen"] == 7 and prepared.settings["labels"]["Aorta"] == 1
    counts = np.bincount(loaded(prepared, "test")["label"].numpy().ravel(), minlength=9)
    assert counts.tolist() == [82, 1, 1, 1, 1, 1, 1, 1, 1]


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_decathlon_is_split_anew_where_its_test_has_no_labels(mini: Miniature) -> None:
    names = [f"liver_{number}" for number in range(10)]
    for name in names:
        volume(mini.root / f"Task03/imagesTr/{name}.nii.gz")
        volume(mini.root / f"Task03/labelsTr/{name}.nii.gz", np.arange(3))
    volume(mini.root / "Task03/imagesTs/liver_77.nii.gz")
    content = {
        "name": "Liver",
        "licence": "CC-BY-SA 4.0",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "liver", "2": "cancer"},
        "training": [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names],
        "test": ["./imagesTs/liver_77.nii.gz"],
    }
    write(mini.root / "Task03/dataset.json", content)
    entry = OWN["decathlon"](mini.root)
    prepared = prepare(entry, mini.root, mini.output)
    assert (entry.title, entry.licence) == ("Liver", "CC-BY-SA 4.0")
    assert [len(part) for part in subjects(prepared)] == [7, 1, 2]
    assert prepared.notes == ["1 test images have no published label and are left out"]
    assert prepared.settings["labels"] == {"liver": 1, "cancer": 2}
    assert sorted(np.unique(loaded(prepared)["label"].numpy())) == [0, 1, 2]
    volume(mini.root / "Task03/labelsTr/liver_99.nii.gz", np.arange(2))
    with pytest.raises(SamAdaptError, match=r"label='.*liver_99.nii.gz': is not in .*dataset.json"):
        OWN["decathlon"](mini.root)
    (mini.root / "Task03/labelsTr/liver_3.nii.gz").unlink()
    with pytest.raises(SamAdaptError, match=r"label='.*liver_3.nii.gz': no such file"):
        OWN["decathlon"](mini.root)


@pytest.mark.parametrize("version", [1, 2])
def test_nnunet_of_both_versions(mini: Miniature, version: int) -> None:
    names = [f"case_{number:03d}" for number in range(10)]
    for name in names:
        volume(mini.root / f"imagesTr/{name}_0000.nii.gz", low=0 if version == 2 else -1000)
        volume(mini.root / f"labelsTr/{name}.nii.gz", np.arange(3))
    if version == 1:
        labels: dict[str, Any] = {"0": "background", "1": "Organ", "2": "Tumour"}
        content = {"modality": {"0": "CT"}, "labels": labels, "training": [], "numTraining": 10}
    else:
        for name in ("test_1", "test_2"):
            volume(mini.root / f"imagesTs/{name}_0000.nii.gz")
            volume(mini.root / f"labelsTs/{name}.nii.gz", np.arange(3))
        labels = {"background": 0, "whole": [1, 2], "Tumour": 2}
        content = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 10, "file_ending": ".nii.gz"}
    write(mini.root / "dataset.json", content)
    prepared = prepare(OWN["nnunet"](mini.root), mini.root, mini.output)
    parts = subjects(prepared)
    label = loaded(prepared, "test")["label"].numpy()
    if version == 1:
        assert [len(part) for part in parts] == [7, 1, 2] and prepared.settings["window"] == [-160, 240]
        assert prepared.settings["modality"] == "ct"
        assert prepared.settings["labels"] == {"Organ": 1, "Tumour": 2} and np.bincount(label.ravel())[1:].tolist() == [
            1,
            1,
        ]
    else:
        assert [len(part) for part in parts] == [8, 2, 2] and parts[2] == ["test_1", "test_2"]
        assert prepared.settings["modality"] == "mri" and prepared.settings["window"] is None
        assert prepared.settings["labels"] == {"whole": [1, 2], "Tumour": 2} and label.sum(axis=(1, 2, 3)).tolist() == [
            2,
            1,
        ]


def test_nnunet_with_two_channels_ignore_or_files_too_many_is_refused(mini: Miniature) -> None:
    for name in ("a", "b"):
        volume(mini.root / f"imagesTr/{name}_0000.nii.gz")
        volume(mini.root / f"labelsTr/{name}.nii.gz", np.arange(2))
    write(mini.root / "dataset.json", {"channel_names": {"0": "CT"}, "labels": {"background": 0, "x": 1, "ignore": 2}})
    with pytest.raises(SamAdaptError, match="labels='ignore': cannot be trained around"):
        OWN["nnunet"](mini.root)
    write(mini.root / "dataset.json", {"channel_names": {"0": "CT"}, "labels": {"background": 0, "x": 1}})
    volume(mini.root / "imagesTr/b_0001.nii.gz")
    with pytest.raises(SamAdaptError, match=r"image='.*b_0001.nii.gz': is a further channel"):
        OWN["nnunet"](mini.root)
    (mini.root / "imagesTr/b_0001.nii.gz").unlink()
    volume(mini.root / "labelsTr/c.nii.gz", np.arange(2))
    with pytest.raises(SamAdaptError, match=r"label='.*c.nii.gz': has no image of its name"):
        OWN["nnunet"](mini.root)
