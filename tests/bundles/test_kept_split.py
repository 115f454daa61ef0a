"""Cases that a model was trained on are not tested, and a run is not resumed with another split."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.datasets import load_datalist, read_split
from monai_samadapt.engines import evaluation_items, save_split
from monai_samadapt.engines.kept_split import write_hashes
from monai_samadapt.engines.lock import give_back
from monai_samadapt.engines.previous import check_apart
from monai_samadapt.errors import OneLineExit, SamAdaptError
from monai_samadapt.transforms import DataSpec


@pytest.fixture(autouse=True)
def _no_training_goes_on() -> Iterator[None]:
    yield
    give_back()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten cases in folders, which the seed divides: 7, 1 and 2."""
    return write_cases(tmp_path / "data", 10)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    """A folder with the split of seed 0."""
    save_split(str(data), None, str(tmp_path / "run"), 0)
    return tmp_path / "run"


def write_cases(root: Path, count: int) -> Path:
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (root / folder / f"{index}.png").touch()
    return root


def evaluated(data: Path, run: Path, seed: int = 0, datalist: Path | None = None, section: str = "test") -> list[str]:
    name = None if datalist is None else str(datalist)
    return [item["image"] for item in evaluation_items(str(data), name, section, seed, str(run / "model.pt"))]


def refused(call: Callable[..., Any], *args: Any, **settings: Any) -> SamAdaptError:
    with pytest.raises(OneLineExit) as caught:
        call(*args, **settings)
    return caught.value.error


def test_cases_of_training_are_not_tested_with_another_seed(data: Path, run: Path) -> None:
    was, now = read_split(data, None, 0), read_split(data, None, 1)
    section_of = {item["image"]: name for name in ("training", "validation") for item in was.section(name)}
    seen = [item["image"] for item in now.test if item["image"] in section_of]
    error = refused(evaluated, data, run, seed=1)
    assert (error.key, error.value) == ("seed", 1)
    where = f"the first in {section_of[seen[0]]} ({seen[0]})"
    assert error.problem == f"{len(seen)} of 2 cases of test are elsewhere in {run / 'datalist.json'}, {where}"
    assert error.remedy == f"give --datalist {run / 'datalist.json'}, or the seed and the cases of that training"


def test_the_remedy_of_other_seed_and_added_cases_tests_what_was_left_out(data: Path, run: Path) -> None:
    left_out = evaluated(data, run)
    assert len(left_out) == 2
    write_cases(data, 30)
    assert refused(evaluated, data, run).key == "seed"
    assert evaluated(data, run, seed=1, datalist=run / "datalist.json") == left_out


def test_a_datalist_that_tests_validation_is_named(data: Path, run: Path) -> None:
    image = read_split(data, None, 0).validation[0]["image"]
    path = run / "other.json"
    label = image.replace("images", "labels")
    path.write_text(json.dumps({"test": [{"image": image, "label": label}]}))
    error = refused(evaluated, data, run, datalist=path)
    assert (error.key, error.value) == ("datalist", str(path))
    assert error.problem.startswith("1 of 1 cases of test are elsewhere in ")
    assert evaluated(data, run, section="validation") == [image]
    assert len(evaluated(data, run, section="training")) == 7


def test_images_are_known_through_links_and_other_data_of_the_same_names_are_not(data: Path, run: Path) -> None:
    link = data.with_name("link")
    link.symlink_to(data)
    assert refused(evaluated, link, run, seed=1).key == "seed"
    other = write_cases(data.with_name("other"), 10)
    assert evaluated(other, run, seed=1) == [item["image"] for item in load_datalist(other, None, "test", 1)]


def test_a_packed_bundle_knows_what_it_has_seen_without_its_names(data: Path, run: Path, tmp_path: Path) -> None:
    packed = tmp_path / "models"
    packed.mkdir()
    write_hashes(run / "datalist.json", packed)
    text = (packed / "seen.json").read_text()
    assert len(json.loads(text)) == 8 and "images" not in text and ".png" not in text
    assert len(evaluated(data, packed)) == 2
    error = refused(evaluated, data, packed, seed=1)
    assert error.problem.split(", ")[0].endswith(f"cases of test are elsewhere in {packed / 'seen.json'}")
    assert error.remedy == "give the datalist, or the seed and the cases of that training"
    later = tmp_path / "later"
    save_split(str(data), None, str(later), 1)  # a training that goes on with the same weights
    write_hashes(later / "datalist.json", packed)
    both = {item["image"] for seed in (0, 1) for item in read_split(data, None, seed).training}
    both |= {item["image"] for seed in (0, 1) for item in read_split(data, None, seed).validation}
    assert len(json.loads((packed / "seen.json").read_text())) == len(both) > 8
    assert refused(evaluated, data, packed).key == "seed"


def test_a_model_without_datalist_is_tested_on_anything(data: Path, tmp_path: Path) -> None:
    assert len(evaluated(data, tmp_path / "nowhere", seed=1)) == 2


def test_resuming_with_another_split_is_refused_and_keeps_the_list(data: Path, run: Path) -> None:
    (run / "checkpoint_last.pt").touch()
    before = (run / "datalist.json").read_bytes()
    save_split(str(data), None, str(run), 0, resume=True)
    error = refused(save_split, str(data), None, str(run), 1, resume=True)
    assert (error.key, error.value) == ("seed", 1)
    assert (run / "datalist.json").read_bytes() == before
    save_split(str(data), str(run / "datalist.json"), str(run), 1, resume=True)
    assert (run / "datalist.json").read_bytes() == before


def test_a_run_that_begins_anew_may_have_another_split(data: Path, run: Path) -> None:
    before = (run / "datalist.json").read_bytes()
    save_split(str(data), None, str(run), 1, resume=True)  # there is nothing to resume
    (run / "checkpoint_last.pt").touch()
    save_split(str(data), None, str(run), 2)
    assert (run / "datalist.json").read_bytes() != before


def test_a_run_that_begins_anew_sets_the_earlier_one_aside(data: Path, run: Path) -> None:
    """Else its model would be tested on what it was trained on, should the new run end early."""
    for name in ("model.pt", "checkpoint_last.pt", "own.txt"):
        (run / name).write_text(name)
    before = (run / "datalist.json").read_bytes()
    save_split(str(data), None, str(run), 1)
    give_back()
    assert sorted(path.name for path in run.iterdir()) == ["datalist.json", "own.txt", "previous"]
    assert (run / "previous" / "datalist.json").read_bytes() == before
    assert sorted(path.name for path in (run / "previous").iterdir()) == [
        "checkpoint_last.pt",
        "datalist.json",
        "model.pt",
    ]
    assert refused(evaluated, data, run / "previous", seed=1).key == "seed"


def test_a_run_that_ended_early_leaves_the_earlier_one_whole(data: Path, run: Path) -> None:
    (run / "model.pt").write_text("first")
    (run / "evaluation").mkdir()
    (run / "evaluation" / "summary.json").write_text("first")
    before = (run / "datalist.json").read_bytes()
    for seed in (1, 2, 3):  # each ends before it has weights
        save_split(str(data), None, str(run), seed)
        give_back()
    assert sorted(path.name for path in run.iterdir()) == ["datalist.json", "previous"]
    assert (run / "previous" / "datalist.json").read_bytes() == before != (run / "datalist.json").read_bytes()
    assert (run / "previous" / "model.pt").read_text() == "first"
    assert (run / "previous" / "evaluation" / "summary.json").read_text() == "first"
    (run / "model.pt").write_text("second")
    save_split(str(data), None, str(run), 4)
    assert (run / "previous" / "model.pt").read_text() == "second"
    assert not (run / "previous" / "evaluation").exists()  # it was of the first


def test_images_without_a_label_are_told(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "labels" / "4.png").unlink()
    save_split(str(data), None, str(tmp_path / "new"), 0)
    left = data / "images" / "4.png"
    expected = f"cases: 6 training, 1 validation, 2 test; 1 images have no label and are left out, the first {left}\n"
    assert capsys.readouterr().out == expected


def test_a_training_in_the_folder_of_the_data_is_refused(data: Path, tmp_path: Path) -> None:
    own = tmp_path / "lists"
    own.mkdir()
    (own / "datalist.json").write_text("{}")
    for folder, dataset_dir, datalist in (
        (data, str(data), None),
        (own, str(data), str(own / "datalist.json")),
        (own, str(own), "datalist.json"),
    ):
        with pytest.raises(SamAdaptError, match=r"^output_dir=.*: is the .*folder.* which is never written to"):
            check_apart(str(folder), dataset_dir, datalist)
    (own / "preflight.json").touch()  # a run's own list
    check_apart(str(own), str(data), str(own / "datalist.json"))
    check_apart(str(tmp_path / "new"), str(data), None)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["Tumor", "Liver"], "'Tumor' would be [1], in the datalist it is [2]"),
        ({"Liver": [1, 2], "Tumor": 2}, None),
        (["Liver", "Other"], None),
        (["Tumor"], None),  # alone: any one value
    ],
)
def test_labels_do_not_contradict_the_datalist(data: Path, tmp_path: Path, labels: Any, problem: str | None) -> None:
    path, spec = tmp_path / "list.json", DataSpec("image2d", labels)
    items = [{"image": f"images/{index}.png", "label": f"labels/{index}.png"} for index in range(10)]
    path.write_text(json.dumps({"labels": {"Liver": 1, "Tumor": 2}, "training": items}))
    arguments = (str(data), str(path), str(tmp_path / "run"), 0, False, spec)
    if problem is None:
        save_split(*arguments)
        return
    error = refused(save_split, *arguments)
    assert (error.key, error.problem) == ("labels", problem)
    assert error.remedy == 'give {"Liver": 1, "Tumor": 2}'


def test_bundles_refuse_both(bundle: Any, ct_run: Any, ct_data: Path, ct_training: Any, tmp_path: Path) -> None:
    """The run's own commands, with a datalist that has its sections turned round."""
    content = json.loads((ct_data / "datalist.json").read_text(encoding="utf-8"))
    training = {"training": content["validation"] + content["test"], "validation": content["training"][:1]}
    path = tmp_path / "list.json"
    path.write_text(json.dumps({**training, "test": content["training"][1:]}), encoding="utf-8")
    ids = {**ct_run.model, "datalist": str(path), "report_dir": str(tmp_path / "report")}
    error = bundle.refuse("train+evaluate+ct", output_dir=str(tmp_path / "report"), **ids)
    assert (error.key, error.value) == ("datalist", str(path))
    assert error.problem.startswith(f"2 of 2 cases of test are elsewhere in {ct_run.folder}/datalist.json")
    folder = Path(shutil.copytree(ct_run.folder, tmp_path / "run"))
    with pytest.raises(OneLineExit, match=r"datalist='.*list.json': 1 of 2 cases of training are elsewhere in .*/run/"):
        bundle.run("train+ct", output_dir=str(folder), resume=True, **{**ct_training, "datalist": str(path)})
    assert (folder / "datalist.json").read_bytes() == (ct_run.folder / "datalist.json").read_bytes()
