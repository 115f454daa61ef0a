"""Files of others do not run code by way of MONAI's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from monai_samadapt import cli
from monai_samadapt.datasets.decathlon import label_values
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.expressions import check_plain

RUN = "$__import__('pathlib').Path('ran').touch()"


@pytest.mark.parametrize("value", [RUN, "@seed", "%other.json", [1, RUN], {"a": {RUN: 1}}, {"_target_": "os.getcwd"}])
def test_what_the_configuration_would_run_is_refused(value: Any) -> None:
    with pytest.raises(SamAdaptError, match=r"labels=.*: would not be read but run by .*, in here; rename it"):
        check_plain("labels", value, "here")


@pytest.mark.parametrize("value", ["Liver", "50%", "a@b", "_a", "T/N", 3, None, ["A", {"b": [1, 2]}], "__x"])
def test_what_it_reads_as_it_is_passes(value: Any) -> None:
    check_plain("labels", value, "here")
    parser = ConfigParser({"seed": 1, "value": value})
    parser.parse()
    assert parser.get_parsed_content("value") == value


@pytest.mark.parametrize("labels", [{"0": "background", "1": RUN}, {RUN: 1}, [RUN]])
def test_names_of_a_foreign_datalist_are_checked(labels: Any) -> None:
    with pytest.raises(SamAdaptError, match="would not be read but run"):
        label_values(labels, Path("dataset.json"))


def test_values_of_a_foreign_datalist_are_integers() -> None:
    with pytest.raises(SamAdaptError, match=r"labels=.*: is no value of 'Polyp' in dataset\.json"):
        label_values({"Polyp": RUN}, Path("dataset.json"))
    assert label_values({"Disc": [1, 2], "background": 0}, Path()) == {"Disc": [1, 2]}


def test_prepare_stops_before_it_writes_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": RUN}, "training": []}))
    assert cli.main(["prepare", "decathlon", "data", "--output", "out"]) == 1
    assert "would not be read but run" in capsys.readouterr().err
    assert not Path("ran").exists() and not list(tmp_path.glob("**/settings.json"))
