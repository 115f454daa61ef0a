"""Which server a run goes to, and what its record says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_samadapt.passwords import without_password
from monai_samadapt.tracking.location import (
    artefact_location,
    database_path,
    find_uri,
    read_record,
    write_record,
)


@pytest.fixture(autouse=True)
def _no_server_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_default_is_a_database_beside_the_runs(tmp_path: Path) -> None:
    folder = tmp_path / "my runs?" / "liver"
    uri = find_uri(None, folder, go_on=False)
    assert uri == f"sqlite:///{tmp_path}/my%20runs%3F/mlflow.db"
    assert database_path(uri) == tmp_path / "my runs?" / "mlflow.db"
    assert artefact_location(uri) == f"file://{tmp_path}/my%20runs%3F/mlartifacts"
    assert artefact_location("http://host:5000") is None


def test_given_goes_before_recorded_before_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment:1")
    assert find_uri(None, tmp_path / "run", go_on=True) == "http://environment:1"
    write_record(tmp_path / "run", "http://recorded:2", "experiment", "id")
    assert find_uri(None, tmp_path / "run", go_on=True) == "http://recorded:2"
    assert find_uri(None, tmp_path / "run", go_on=False) == "http://environment:1"
    assert find_uri("http://given:3", tmp_path / "run", go_on=True) == "http://given:3"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@recorded:2")  # what the record leaves out
    assert find_uri(None, tmp_path / "run", go_on=True) == "http://user:secret@recorded:2"


def test_record_has_no_password_and_lets_the_default_move(tmp_path: Path) -> None:
    write_record(tmp_path / "a" / "run", "postgresql://user:secret@host:5432/db", "e", "1")
    assert read_record(tmp_path / "a" / "run")["tracking_uri"] == "postgresql://host:5432/db"
    write_record(tmp_path / "a" / "run", find_uri(None, tmp_path / "a" / "run", go_on=False), "e", "2")
    (tmp_path / "a").rename(tmp_path / "b")
    assert read_record(tmp_path / "b" / "run") == {"tracking_uri": None, "experiment": "e", "run_id": "2"}
    assert find_uri(None, tmp_path / "b" / "run", go_on=True) == f"sqlite:///{tmp_path}/b/mlflow.db"


@pytest.mark.parametrize("content", ["", "{", json.dumps(["no record"])])
def test_broken_record_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "mlflow_run.json").write_text(content)
    assert read_record(tmp_path) == {}


def test_passwords_are_left_out() -> None:
    assert without_password("postgresql://me:p@ss!w@host:5/db") == "postgresql://host:5/db"
    words = "run --tracking_uri 'https://me:secret@host' --dataset_dir /data/a@b --mail me@host"
    assert without_password(words) == words.replace("me:secret@", "")


def test_uri_without_password_is_left_as_it_is() -> None:
    for uri in ("sqlite:////a/b.db", "http://host:5000", "databricks"):
        assert without_password(uri) == uri
