"""Studies from options and files, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.cli import parser
from monai_samadapt.commands.compare import data_sets, make_study, set_name
from monai_samadapt.commands.values import value_of
from monai_samadapt.compare import DataSet, Study, read_study
from monai_samadapt.compare.cell import RECORD, make_cells
from monai_samadapt.compare.methods import METHODS, find_method, known_ids
from monai_samadapt.datasets import Split
from monai_samadapt.datasets.folds import Fold
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import METHODS as NETWORKS
from monai_samadapt.reports.jsonfile import write_json
from monai_samadapt.run_files import CHECKPOINT

SETS = {"a": DataSet("/a", ids={"labels": ["X"], "max_epochs": 7})}


def options(*arguments: str) -> Any:
    return parser().parse_args(["compare", "--output", "out", *arguments])


def fold(**labels: int) -> Fold:
    return Fold("a", 1, Split([{"image": "/a/0.png", "dataset": "a"}], [], [], dict(labels)))


def test_methods_own_ids_come_last() -> None:
    study = Study(SETS, {"s_sam": {"learning_rate": 1}, "unet": {}}, ids={"max_epochs": 3, "batch_size": 2}, seed=4)
    ids = study.cell_ids("s_sam", fold())
    expected = {"learning_rate": 1, "max_epochs": 7, "batch_size": 2, "seed": 4, "labels": ["X"], "variant": "vit_nano"}
    assert {key: ids[key] for key in expected} == expected
    assert study.cell_ids("unet", fold())["learning_rate"] == 1e-2


def test_labels_are_the_datalist_s_unless_given_or_in_the_overlay(tmp_path: Path) -> None:
    def labels(data: DataSet) -> Any:
        return Study({"a": data}, {"s_sam": {}}).cell_ids("s_sam", fold(Polyp=1)).get("labels")

    assert labels(DataSet("/a")) == {"Polyp": 1}
    assert labels(SETS["a"]) == ["X"]
    assert labels(DataSet("/a", overlay="fundus_disc_cup")) is None
    own = tmp_path / "settings.json"  # as written by samadapt prepare
    own.write_text(json.dumps({"modality": "image2d", "labels": {"Polyp": 255}}))
    assert labels(DataSet("/a", overlay=str(own))) is None


@pytest.mark.parametrize("name", METHODS)
def test_networks_in_place_of_a_bundle_s_take_ids_it_has(name: str) -> None:
    method = METHODS[name]
    definition = method.overrides().get("network_def", {"_target_": ""})
    references = {value[1:] for key, value in definition.items() if key != "_target_"}
    assert references <= known_ids(method.bundle)[0]
    assert name in NETWORKS


def test_a_column_may_have_a_name_of_its_own() -> None:
    study = make_study(options("--dataset_dir", "/a", "--methods", "r8", "--set", "r8.method=balr_sam", "r8.rank=8"))
    assert study.methods == {"r8": {"method": "balr_sam", "rank": 8}}
    ids = study.cell_ids("r8", Fold("a", 1, Split([{"image": "/a/0.png", "dataset": "a"}], [], [])))
    assert (ids["rank"], ids["learning_rate"], "method" in ids) == (8, 1e-3, False)
    assert find_method("r8", study.methods["r8"]).bundle == "balr_sam"


def test_options_come_on_top_of_a_file(tmp_path: Path) -> None:
    content = {
        "sets": {"polyps": {"dataset_dir": "p", "datalist": "l.json", "ids": {"labels": ["Polyp"]}}},
        "methods": {"s_sam": {"learning_rate": 0.1}, "unet": {}},
        "folds": 5,
        "seed": 9,
        "ids": {"max_epochs": 50, "image_size": 128},
    }
    path = tmp_path / "study.json"
    path.write_text(json.dumps(content))
    study = make_study(options("--study", str(path), "--folds", "2", "--max_epochs", "3", "--methods", "s_sam"))
    datalist = str(tmp_path / "l.json")
    assert study.sets == {"polyps": DataSet(str(tmp_path / "p"), datalist, ids={"labels": ["Polyp"]})}
    assert (study.folds, study.seed) == (2, 9)
    assert (study.ids, study.methods) == ({"max_epochs": 3, "image_size": 128}, {"s_sam": {"learning_rate": 0.1}})


def test_an_overlay_comes_on_top_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text(
        json.dumps({"sets": {"a": {"dataset_dir": "p", "ids": {"labels": ["X"]}}}, "methods": {"unet": {}}})
    )
    for words, overlay in (([], "image2d"), (["--overlay", "mri"], "mri")):
        found = make_study(options("--study", str(path), *words)).sets
        assert found == {"a": DataSet(str(tmp_path / "p"), overlay=overlay, ids={"labels": ["X"]})}


@pytest.mark.parametrize("trained", [True, False])
def test_a_begun_cell_goes_on_with_its_settings_only(tmp_path: Path, trained: bool) -> None:
    study = Study({"a": DataSet("/a", overlay="ct")}, {"unet": {}}, ids={"max_epochs": 12, "labels": ["X"]})
    (cell,) = make_cells(study, [fold()], tmp_path, {})
    write_json({"ids": cell.ids, "overlay": cell.overlay} | ({"training": {}} if trained else {}), cell.folder / RECORD)
    (cell.folder / CHECKPOINT).touch()
    make_cells(study, [fold()], tmp_path, {})
    for changed, message in (
        ({"ids": {"labels": ["X"]}}, r"max_epochs=None: .* was run with 12"),
        ({"ids": {**study.ids, "learning_rate": 1}}, r"learning_rate=1: .* was run with 0\.01"),
        ({"sets": {"a": DataSet("/a", overlay="mri")}}, r"overlay='mri': .* was run with 'ct'"),
    ):
        with pytest.raises(SamAdaptError, match=message):
            make_cells(replace(study, **changed), [fold()], tmp_path, {})
    if not trained:  # one that failed before its first epoch may be tried with other settings
        (cell.folder / CHECKPOINT).unlink()
        make_cells(replace(study, ids={"labels": ["X"]}), [fold()], tmp_path, {})


def test_data_sets_of_the_command_line(tmp_path: Path) -> None:
    lists = [tmp_path / "x" / "datalist.json", tmp_path / "b.json"]
    lists[0].parent.mkdir()
    for path in lists:
        path.touch()
    found = data_sets([], [str(path) for path in lists], "ct")
    assert found == {
        "x": DataSet(str(tmp_path / "x"), str(lists[0]), "ct"),
        "b": DataSet(str(tmp_path), str(lists[1]), "ct"),
    }
    assert data_sets([str(tmp_path)], ["in/there.json"], "ct") == {
        "there": DataSet(str(tmp_path), "in/there.json", "ct")
    }
    with pytest.raises(SamAdaptError, match="has the name b of another"):
        data_sets([], [str(lists[1]), str(lists[1])], "ct")
    with pytest.raises(SamAdaptError, match="3 datalists for 2 folders"):
        data_sets(["a", "b"], ["1", "2", "3"], "ct")
    assert set_name("/data/my set/datalist.json") == "my_set"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3e-3", 3e-3), ("{'Disc': [1, 2]}", {"Disc": [1, 2]}), ("vit_b", "vit_b"), ("true", True), ("null", None)],
)
def test_values(text: str, expected: Any) -> None:
    assert value_of(text) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["learning"], "set='learning': is no setting"),
        (["sam.rank=3"], "set='sam.rank=3': sam is not compared"),
        (["learning_rat=3"], "learning_rat=3: is no id of the bundle s_sam"),
        (["report_dir=x"], "report_dir='x': is set by the comparison itself"),
        (["output_dir=x"], "output_dir='x': is set by the comparison itself"),
        (["unet.method=vnet"], "methods='vnet': is no method"),
    ],
)
def test_wrong_settings_are_one_line(settings: list[str], message: str) -> None:
    with pytest.raises(SamAdaptError) as caught:
        make_study(options("--dataset_dir", "/a", "--methods", "s_sam", "unet", "--set", *settings))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_wrong_studies_are_refused(tmp_path: Path) -> None:
    for content, message in (("{", "cannot be read"), ('{"set": {}}', "study='set'"), ("{}", "has no sets")):
        (tmp_path / "s.json").write_text(content)
        with pytest.raises(SamAdaptError, match=message):
            read_study(tmp_path / "s.json")
    with pytest.raises(SamAdaptError, match="overlay="):
        Study({"a": DataSet("/a"), "b": DataSet("/b", overlay="ct")}, {"unet": {}}, mode="pooled")
    with pytest.raises(SamAdaptError, match="methods="):
        Study(SETS, {})
    with pytest.raises(SamAdaptError, match="name='a/b'"):
        Study({"a/b": DataSet("/a")}, {"unet": {}})
    with pytest.raises(SamAdaptError, match="overlay='pet'"):
        Study({"a": DataSet("/a", overlay="pet")}, {"unet": {}}).cell_ids("unet", fold())


def test_settings_of_the_wrong_type_are_one_line(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"sets": {"a": {"dataset_dir": "/a"}}, "methods": ["unet"]}
    wrong: list[tuple[str, Any]] = [("folds", "3"), ("seed", 1.5), ("ids", ["max_epochs"]), ("methods", "unet")]
    for key, value in wrong:
        write_json(plain | {key: value}, tmp_path / "s.json")
        with pytest.raises(SamAdaptError, match=f"^{key}=.*: is of the wrong type in "):
            read_study(tmp_path / "s.json")
    for key, content in (
        ("unet", {"methods": {"unet": None}}),
        ("ids", {"sets": {"a": {"dataset_dir": "/a", "ids": None}}}),
        ("dataset_dir", {"sets": {"a": {"dataset_dir": 3}}}),
    ):
        write_json(plain | content, tmp_path / "s.json")
        with pytest.raises(SamAdaptError, match=f"^{key}=.*: is of the wrong type in "):
            read_study(tmp_path / "s.json")
    (tmp_path / "s.json").write_text(json.dumps(plain), encoding="utf-8-sig")  # as editors on Windows write it
    assert list(read_study(tmp_path / "s.json").sets) == ["a"]
    (tmp_path / "o.json").write_text("{'a'}")
    with pytest.raises(SamAdaptError, match=r"^overlay=.*o.json': cannot be read"):
        Study({"a": DataSet("/a", overlay=str(tmp_path / "o.json"))}, {"unet": {}}).cell_ids("unet", fold(A=1))


def test_the_seed_of_a_method_is_its_own() -> None:
    columns = {"one": {"method": "unet", "seed": 1}, "unet": {}}
    study = Study({"a": DataSet("/a")}, columns, seed=4)
    assert [study.cell_ids(name, fold())["seed"] for name in columns] == [1, 4]
    assert Study({"a": DataSet("/a")}, columns, ids={"seed": 7}).cell_ids("unet", fold())["seed"] == 7


@pytest.mark.parametrize("mode", ["pooled", "leave_one_out"])
def test_one_network_has_one_meaning_of_the_label_files(mode: str, tmp_path: Path) -> None:
    sets = {}
    for name, labels in (("a", {"Liver": 1, "Spleen": 2}), ("b", {"Spleen": 1, "Liver": 2})):
        items = [{"image": f"{k}.png", "label": f"{k}_l.png", "subject": f"{k}"} for k in range(4)]
        (tmp_path / name).mkdir()
        for item in items:
            (tmp_path / name / item["image"]).touch()
            (tmp_path / name / item["label"]).touch()
        write_json({"labels": labels, "training": items}, tmp_path / name / "datalist.json")
        sets[name] = DataSet(str(tmp_path / name))
    with pytest.raises(SamAdaptError, match=r"^labels=.*'Liver': 1.*'Spleen': 1.*: the datalists name other values"):
        Study(sets, {"unet": {}}, mode=mode, folds=2).make_folds()
    assert Study(sets, {"unet": {}}, mode="separate", folds=2).make_folds()
    given = Study(sets, {"unet": {}}, mode=mode, folds=2, ids={"labels": {"A": 1, "B": 2}})
    assert given.cell_ids("unet", given.make_folds()[0])["labels"] == {"A": 1, "B": 2}
    with pytest.raises(SamAdaptError, match=r"^max_epochs=\[7, None\]: one network has one setting"):
        Study({**SETS, "b": DataSet("/b", ids={"labels": ["X"]})}, {"unet": {}}, mode=mode)


def test_methods_without_prompts_are_evaluated_without() -> None:
    modes = ["none", "box"]
    study = Study(SETS, {name: {} for name in METHODS}, ids={"prompt_modes": modes})
    for name in METHODS:
        prompted = name in ("s_sam", "sam2_lora", "full_sam", "full_sam2")
        assert study.cell_ids(name, fold()).get("prompt_modes") == (modes if prompted else None)


def test_networks_are_those_of_the_bundles_or_replace_them() -> None:
    for method in METHODS.values():
        definition = json.loads((find_bundle(method.bundle) / "configs" / "train.json").read_text())["network_def"]
        target = method.overrides().get("network_def", definition)["_target_"]
        assert target == f"monai_samadapt.networks.{method.network.__name__}"


def test_prompt_modes_of_a_method_stay() -> None:
    modes = ["none", "box"]
    own = Study(SETS, {"unet": {"prompt_modes": modes}})
    assert own.cell_ids("unet", fold())["prompt_modes"] == modes  # which the run itself refuses
