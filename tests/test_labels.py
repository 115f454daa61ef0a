"""Label names, values and channels."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec

MAP = [[[0, 1], [2, 1]]]


def test_names_have_values_in_order() -> None:
    spec = LabelSpec.parse(["Liver", "Tumor"])
    assert (spec.values, spec.num_labels, spec.num_channels) == (((1,), (2,)), 2, 3)
    assert spec.encode(torch.tensor(MAP)).tolist() == MAP


def test_mapped_values_are_renumbered_and_regions_overlap() -> None:
    mapped = LabelSpec.parse({"Tumor": 7, "Liver": [3, 5]})
    assert mapped.encode(torch.tensor([[0, 3, 5, 7]])).tolist() == [[0, 2, 2, 1]]
    assert mapped.decode(torch.tensor([[0, 2, 2, 1]])).tolist() == [[0, 3, 3, 7]]
    regions = LabelSpec.parse({"Disc": [1, 2], "Cup": 2})
    assert not regions.exclusive and regions.num_channels == 2
    masks = [[[0, 1], [1, 1]], [[0, 0], [1, 0]]]
    assert regions.encode(torch.tensor(MAP)).tolist() == regions.decode(torch.tensor(masks)).tolist() == masks


@pytest.mark.parametrize("foreground", [1, 255])
def test_one_named_label_takes_1_or_255(foreground: int) -> None:
    assert LabelSpec.parse(["A"]).encode(torch.tensor([[0, foreground]])).tolist() == [[0, 1]]


def test_channels_of_overlapping_labels() -> None:
    spec = LabelSpec.parse(["A", "B"], overlapping=True)
    assert spec.encode(torch.tensor([[0, 255], [255, 255]])).tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("labels", "overlapping", "array", "words"),
    [
        (["A"], False, [[0, 2]], r"has values 2 outside \[0, 1\]; name every value"),
        (["A", "B"], False, [[0, 255]], r"has values 255 outside \[0, 1, 2\]; name every value"),
        (["A"], False, [[0, 0.5, 1]], r"has values 0.5 outside \[0, 1\]; resample label maps by the nearest"),
        (
            ["A"],
            False,
            [[*range(60)]],
            r"has values 2, 3, .*, 9 and 50 others outside .*; cut soft edges at half by",
        ),
        (["A", "B"], True, [[0, 1]], "1 channels for 2"),
        (["A"], True, [[0, 1, 3]], "not binary"),
        ({"A": 1}, False, [[0], [1]], "2 channels, not 1"),
    ],
)
def test_arrays_that_do_not_fit_name_the_file(labels: Any, overlapping: bool, array: Any, words: str) -> None:
    with pytest.raises(SamAdaptError, match=words) as caught:
        LabelSpec.parse(labels, overlapping).encode(torch.tensor(array), "case7.png")
    assert "case7.png" in str(caught.value)


def test_more_labels_than_a_map_of_8_bits_has_are_refused() -> None:
    names = [str(number) for number in range(256)]
    assert LabelSpec.parse(names[:255]).num_labels == 255
    with pytest.raises(SamAdaptError, match="labels=256: are more than 255"):
        LabelSpec.parse(names)


@pytest.mark.parametrize("labels", [[], "Liver", ["A", "A"], [""], {"A": 0}, {"A": []}, {"A": "x"}])
def test_wrong_labels_are_refused(labels: Any) -> None:
    with pytest.raises(SamAdaptError, match="labels="):
        LabelSpec.parse(labels)
