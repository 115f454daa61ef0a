"""Training batches with prompts, and items repeated for each mode or given the prompts of a file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_samadapt.engines import PromptedBatch, keep_on_host, per_mode, prompted
from monai_samadapt.engines.prompt_items import check_prompts
from monai_samadapt.engines.prompting import filled
from monai_samadapt.errors import OneLineExit, SamAdaptError


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Eight images of 24 x 32 pixels padded to 32 x 32, with a label 1 at the left and a label 2 at the right."""
    torch.manual_seed(0)
    image, label = torch.zeros(8, 3, 32, 32), torch.zeros(8, 1, 32, 32, dtype=torch.uint8)
    image[:, :, :24] = torch.randn(8, 3, 24, 32)
    label[:, :, 4:20, 2:14] = 1
    label[:7, :, 4:20, 18:30] = 2
    return {"image": image, "label": label}


def values(batch: dict[str, torch.Tensor], points: torch.Tensor) -> torch.Tensor:
    index = (points[..., 1] * 32 + points[..., 0]).long().flatten(1)
    return batch["label"].flatten(1).gather(1, index).unflatten(1, points.shape[1:3])


def test_each_label_has_its_points(batch: dict[str, torch.Tensor]) -> None:
    image, label, arguments, keywords = PromptedBatch(["A", "B"], dropout=0.0)(batch)
    assert torch.equal(image, batch["image"]) and torch.equal(label, batch["label"]) and arguments == ()
    assert sorted(keywords) == ["label_ids", "point_labels", "points", "with_quality"]
    assert keywords["label_ids"].tolist() == [0, 1] and keywords["with_quality"] is True
    found, labels = values(batch, keywords["points"]), keywords["point_labels"]
    assert keywords["points"].shape == (8, 2, 5, 2)
    assert (found[:, 0] == 1).all() and (found[:7, 1] == 2).all()
    assert (labels[:, 0] == 1).all() and (labels[:7, 1] == 1).all() and (labels[7, 1] == -1).all()


def test_overlapping_labels_have_theirs(batch: dict[str, torch.Tensor]) -> None:
    channels = torch.cat([batch["label"] > 0, batch["label"] == 2], dim=1).to(torch.uint8)
    prepare = PromptedBatch(["All", "Right"], overlapping=True, modes=["1_point"], dropout=0.0, with_quality=False)
    _, _, _, keywords = prepare({"image": batch["image"], "label": channels})
    assert "with_quality" not in keywords
    assert (values(batch, keywords["points"])[:7, 1] == 2).all() and (values(batch, keywords["points"])[:, 0] > 0).all()


def test_batches_go_without_prompts_with_the_probability_asked_for(batch: dict[str, Any]) -> None:
    random.seed(1)
    drawn = [PromptedBatch(["A", "B"], modes=["points_box"], dropout=0.3)(batch)[3] for _ in range(400)]
    without = [keywords for keywords in drawn if "points" not in keywords]
    assert abs(len(without) / 400 - 0.3) < 0.06
    assert all(keywords == {"with_quality": True} for keywords in without)
    assert "points" not in PromptedBatch(["A", "B"], dropout=1.0)(batch)[3]


def test_modes_take_turns_and_none_has_no_prompts(batch: dict[str, Any]) -> None:
    random.seed(0)
    prepare = PromptedBatch(["A", "B"], modes=["none", "1_point", "5_points"], dropout=0.0)
    drawn = [prepare(batch)[3].get("points") for _ in range(60)]
    counts = [0 if points is None else points.shape[2] for points in drawn]
    assert set(counts) == {0, 1, 5} and min(counts.count(count) for count in (0, 1, 5)) > 10


def test_negative_points_keep_out_of_the_padding(batch: dict[str, Any]) -> None:
    assert filled(batch["image"])[:, :24].all() and not filled(batch["image"])[:, 24:].any()
    prepare = PromptedBatch(["A", "B"], modes=["5_points_1_negative"], dropout=0.0)
    rows = torch.cat([prepare(batch)[3]["points"][..., 5, 1] for _ in range(20)])
    assert 20 < rows.max() < 24


def test_wrong_settings_are_refused_in_one_line() -> None:
    with pytest.raises(SamAdaptError, match=r"^prompt_dropout=1.5: is no probability"):
        PromptedBatch(["A"], dropout=1.5)
    with pytest.raises(SamAdaptError, match=r"^train_prompt_modes="):
        PromptedBatch(["A"], modes=["file"])


def test_a_batch_without_prompts_gives_the_network_none_and_one_with_them_names_the_labels() -> None:
    image = torch.zeros(1, 3, 4, 4)
    assert keep_on_host({"image": image})[1:] == (None, (), {})
    points, labels = torch.ones(1, 3, 2, 2), torch.ones(1, 3, 2)
    *_, keywords = keep_on_host({"image": image, "points": points, "point_labels": labels})
    assert keywords["points"] is points and keywords["point_labels"] is labels
    assert keywords["label_ids"].tolist() == [0, 1, 2]


ITEMS = [{"image": "/d/images/a.png"}, {"image": "/d/images/b.png", "prompts": {"A": {}}}]


def test_items_are_repeated_for_each_mode_consecutively() -> None:
    found = [(item["image"], item["prompt_mode"]) for item in per_mode(ITEMS, ["none", "box"])]
    assert found == [(image, mode) for image in ("/d/images/a.png", "/d/images/b.png") for mode in ("none", "box")]
    with pytest.raises(OneLineExit, match=r"prompt_modes=\['boxes'\]: is no list of different prompt modes"):
        per_mode(ITEMS, ["boxes"])


def test_a_file_gives_prompts_by_path_and_replaces_those_of_the_datalist(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"images/b.png": {"A": {"box": [1, 2, 3, 4]}}}), encoding="utf-8")
    assert [item.get("prompts") for item in prompted(ITEMS, str(path))] == [None, {"A": {"box": [1, 2, 3, 4]}}]
    assert prompted(ITEMS, None) is ITEMS and ITEMS[1]["prompts"] == {"A": {}}
    for text, problem in (
        ('{"images/b.png": {', "is no JSON at line 1"),
        ("[]", "has no object of image paths"),
        ('{"b": {}}', "names 'b', which is no image here"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(OneLineExit) as caught:
            prompted(ITEMS, str(path))
        assert problem in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(OneLineExit, match="cannot be read: FileNotFoundError"):
        prompted(ITEMS, str(tmp_path / "none.json"))


ROOT, DEEPER, OTHER = "/d/a.png", "/d/p2/a.png", "/d/p3/a.png"


@pytest.mark.parametrize("names", [["a.png", "p2/a.png"], ["p2/a.png", "a.png"], ["/d/a.png", "p2/a.png"]])
@pytest.mark.parametrize("images", [[ROOT, DEEPER], [DEEPER, ROOT, OTHER]])
def test_the_longest_name_of_an_image_is_meant_whatever_the_order(
    tmp_path: Path, names: list[str], images: list[str]
) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(
        json.dumps({name: {"A": {"box": [0, 0, len(name.removeprefix("/d/")), 1]}} for name in names}), encoding="utf-8"
    )
    found = prompted([{"image": image} for image in images], str(path))
    given = {item["image"]: (item["prompts"] or {"A": {"box": [None] * 4}})["A"]["box"][2] for item in found}
    assert given == {image: {ROOT: 5, DEEPER: 8, OTHER: None}[image] for image in images}


@pytest.mark.parametrize(
    ("names", "images", "problem"),
    [
        (["a.png"], [DEEPER, OTHER], f"names 'a.png', which is the end of {DEEPER} and {OTHER}; give paths as in"),
        (["a.png", "p2/a.png"], [DEEPER], "names 'a.png', which is no image here; give paths as in"),
    ],
)
def test_a_name_of_several_images_or_of_none_but_another_names_is_refused(
    tmp_path: Path, names: list[str], images: list[str], problem: str
) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({name: {} for name in names}), encoding="utf-8")
    with pytest.raises(OneLineExit) as caught:
        prompted([{"image": image} for image in images], str(path))
    assert str(caught.value).startswith(f"prompts_file={str(path)!r}: {problem}")


def test_the_mode_file_needs_prompts() -> None:
    network = "monai_samadapt.networks.SSam"
    check_prompts(ITEMS, network)
    check_prompts(per_mode(ITEMS, ["none", "box"]), network)
    with pytest.raises(SamAdaptError, match=r"a\.png.*has none"):
        check_prompts(per_mode(ITEMS, ["file"]), network)


@pytest.mark.parametrize("network", ["monai_samadapt.networks.BALRSam", "monai_samadapt.networks.PlainUNet"])
def test_a_network_without_prompts_gets_none(network: str) -> None:
    """A network that ignored them would have rows with the name of prompts it never saw."""
    check_prompts(per_mode([{"image": "/d/images/a.png"}], ["none"]), network)
    with pytest.raises(SamAdaptError, match=r"a\.png.*has prompts \(box\).*takes none"):
        check_prompts(per_mode(ITEMS, ["none", "box"]), network)
    with pytest.raises(SamAdaptError, match=r"b\.png.*has prompts \(file\)"):
        check_prompts([{"image": "/d/images/b.png", "prompts": {"A": {"box": [1, 2, 3, 4]}}}], network)
