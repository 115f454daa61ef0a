from __future__ import annotations

import json

import pytest

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec


def test_json_gives_the_same_settings_back():
    spec = DataSpec("ct", {"A": 1, "B": [2, 3]}, image_size=512, window=[-160, 240], spacing=0.8, neighbours=True)
    text = json.dumps(spec.to_dict())
    assert json.loads(text) == {
        "modality": "ct",
        "labels": {"A": 1, "B": [2, 3]},
        "overlapping": False,
        "image_size": 512,
        "window": [-160.0, 240.0],
        "spacing": [0.8, 0.8],
        "neighbours": True,
        "channels": "rgb",
        "crop": None,
        "nested": False,
    }
    assert DataSpec.from_dict(json.loads(text)) == spec
    assert DataSpec.from_dict({"modality": "image2d", "labels": ["A"]}) == DataSpec("image2d", ["A"])


def test_the_parsed_labels():
    assert DataSpec("image2d", ["A", "B"]).label_spec.num_channels == 3
    assert DataSpec("image2d", ["A", "B"], overlapping=True).label_spec.num_channels == 2
    assert not DataSpec("image2d", {"whole": [1, 2], "core": 2}).label_spec.exclusive


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"modality": "pet"}, "modality='pet': is unknown; give one of ct, mri, image2d, fundus"),
        ({"window": None}, "window=None: is missing for ct"),
        ({"window": [240, -160]}, "window=[240, -160]: is no lower and upper bound"),
        ({"window": [0, float("nan")]}, "is no lower and upper bound"),
        ({"window": [0, "a"]}, "is no lower and upper bound"),
        ({"window": "ab"}, "is no lower and upper bound"),
        ({"window": 5}, "window=5: is no lower"),
        ({"spacing": 0}, "spacing=0: is no size of a pixel"),
        ({"spacing": [1, 1, 1]}, "spacing=[1, 1, 1]: is no size"),
        ({"spacing": "1mm"}, "spacing='1mm': is no size"),
        ({"image_size": 0}, "image_size=0: is no number of pixels"),
        ({"image_size": 25.6}, "image_size=25.6"),
        ({"labels": []}, "labels=[]: no list of label names"),
        ({"channels": "red"}, "channels='red': is unknown; give one of rgb, green, clahe"),
        ({"channels": "green"}, "channels='green': is for fundus, not for ct; leave it rgb"),
        ({"crop": 0.4}, "crop=0.4: is for fundus, not for ct; leave it null"),
        ({"modality": "image2d", "crop": 200}, "crop=200: is for fundus, not for image2d"),
        ({"modality": "fundus", "crop": 0}, "crop=0: is no size of a square"),
        ({"modality": "fundus", "crop": "disc"}, "crop='disc': is no size of a square"),
        ({"modality": "fundus", "crop": float("inf")}, "crop=inf: is no size of a square"),
        ({"nested": True}, "nested=True: is for overlapping labels, these exclude each other"),
        ({"nested": 1}, "nested=1: is neither True nor False"),
    ],
)
def test_impossible_settings_give_one_line(changes, line):
    with pytest.raises(SamAdaptError) as raised:
        DataSpec(**({"modality": "ct", "labels": ["A"], "window": (-160, 240)} | changes))
    assert str(raised.value).startswith(line) or line in str(raised.value)


def test_unknown_and_missing_keys_of_a_file():
    with pytest.raises(SamAdaptError, match=r"unknown: \['colour'\], missing: \['labels'\]"):
        DataSpec.from_dict({"modality": "ct", "colour": 1})
    with pytest.raises(SamAdaptError, match="samples_per_volume=0"):
        DataSpec("image2d", ["A"]).training_transforms(samples_per_volume=0)
