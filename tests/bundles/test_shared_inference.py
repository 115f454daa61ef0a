"""Inference over a list that several processes divide, and that is taken up again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.errors import OneLineExit

OVERLAPPING = {"Disc": [1, 2], "Cup": 2}


@pytest.fixture
def infer(bundle: Any, picture_data: Path, picture_run: Any) -> Callable[..., dict[str, int]]:
    """Segment five pictures; gives the time of each file's last change."""

    def start(folder: Path, **ids: Any) -> dict[str, int]:
        settings = {**picture_run.model, "dataset_dir": str(picture_data / "images"), "output_dir": str(folder), **ids}
        bundle.run("inference+image2d", **settings)
        return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob("*.*"))}

    return start


def test_parts_are_disjoint_and_together_the_whole(
    infer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = infer(tmp_path / "whole", probabilities=True)
    assert len(whole) == 5 * (1 + 2)  # a map, and a file of probabilities for each of two labels
    first = infer(tmp_path / "first", probabilities=True, shard=[0, 2])
    assert "3 of 3 cases of part 0 of 2 are to be done" in capsys.readouterr().out
    monkeypatch.setenv("RANK", "1")  # as torchrun tells it
    monkeypatch.setenv("WORLD_SIZE", "2")
    second = infer(tmp_path / "second", probabilities=True)
    assert len(first) == 9
    assert len(second) == 6
    assert first.keys() | second.keys() == whole.keys()
    for folder, names in (("first", first), ("second", second)):
        for name in names:
            assert (tmp_path / folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_finished_cases_are_left_alone(infer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = infer(tmp_path, shard=[1, 2])
    done = infer(tmp_path, skip_finished=True)
    assert "3 of 5 cases are to be done" in capsys.readouterr().out
    assert len(done) == 5
    assert {name: done[name] for name in before} == before
    (tmp_path / "fundus_003_seg.png").unlink()
    again = infer(tmp_path, skip_finished=True)
    assert [name for name in again if again[name] != done.get(name)] == ["fundus_003_seg.png"]
    assert infer(tmp_path, skip_finished=True) == again
    assert "0 of 5 cases are to be done" in capsys.readouterr().out
    # without probabilities a case is finished, with them it is not
    assert len(infer(tmp_path, skip_finished=True, probabilities=True)) == 15


def test_results_beside_the_images_are_refused(bundle: Any, picture_data: Path, picture_run: Any) -> None:
    """They would be taken for images the next time."""
    folder = picture_data / "images"

    def cases(source: Path, output: Path) -> list[dict[str, Any]]:
        ids = {**picture_run.model, "dataset_dir": str(source), "output_dir": str(output)}
        workflow = bundle.workflow("inference+image2d", "infer", **ids)
        found: list[dict[str, Any]] = workflow.parser.get_parsed_content("dataset::data")
        return found

    for source, output in ((folder, folder), (picture_data, picture_data)):
        with pytest.raises(OneLineExit) as caught:
            cases(source, output)
        error = caught.value.error
        assert (error.key, error.problem) == ("output_dir", f"results would lie beside the images in {folder}")
    assert len(cases(folder, folder / "results")) == 5
    assert len(cases(folder / "fundus_001.png", folder)) == 1  # nobody lists its folder


def test_case_lacking_one_of_its_files_is_not_finished(bundle: Any, picture_data: Path, tmp_path: Path) -> None:
    ids = {"dataset_dir": str(picture_data / "images"), "labels": OVERLAPPING, "output_dir": str(tmp_path)}
    for name in ("fundus_001_seg_Disc.png", "fundus_001_seg_Cup.png", "fundus_002_seg_Disc.png"):
        (tmp_path / name).touch()
    workflow = bundle.workflow("inference+image2d", "infer", skip_finished=True, **ids)
    left = [Path(item["image"]).stem for item in workflow.parser.get_parsed_content("dataset::data")]
    assert left == [f"fundus_00{index}" for index in (0, 2, 3, 4)]


def test_volume_is_one_file(bundle: Any, ct_data: Path, tmp_path: Path) -> None:
    ids = {"dataset_dir": str(ct_data / "images"), "labels": {"A": [1, 2], "B": 2}, "output_dir": str(tmp_path)}
    spec = bundle.workflow("inference+ct", "infer", **ids).parser.get_parsed_content("data_spec")
    saver = spec.saver(str(tmp_path))
    names = [path.name for path in saver.outputs("/data/ct_000.nii.gz", probabilities=True)]
    assert names == ["ct_000_seg.nii.gz", "ct_000_prob.nii.gz"]


@pytest.mark.parametrize("shard", [[2, 2], [0], [-1, 3], "0/2"])
def test_impossible_part_is_refused(
    bundle: Any, picture_data: Path, picture_run: Any, tmp_path: Path, shard: Any
) -> None:
    ids = {**picture_run.model, "dataset_dir": str(picture_data / "images"), "output_dir": str(tmp_path / "new")}
    error = bundle.refuse("inference+image2d", **ids, shard=shard)
    assert (error.key, error.problem) == ("shard", "is no part of a whole")
