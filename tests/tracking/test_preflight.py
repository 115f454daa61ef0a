"""Servers that cannot be used are refused in one line, and nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.errors import OneLineExit
from monai_samadapt.tracking import preflight_tracking
from monai_samadapt.tracking.client import connect, experiment_id

MALFORMED = ["mlruns", "file:///tmp/mlruns", "http//host:5000", "http:/host", "ftp://host", "http://host:port", "http:"]


@pytest.mark.parametrize("uri", MALFORMED)
def test_malformed_uri(tmp_path: Path, uri: str) -> None:
    with pytest.raises(OneLineExit) as caught:
        preflight_tracking(uri, "experiment", tmp_path / "run")
    assert str(caught.value).startswith(f"tracking_uri={uri!r}: is no tracking server; give http://HOST:PORT")
    assert not list(tmp_path.iterdir())


def test_training_refuses_a_server_that_is_down(
    run_bundle: Callable[..., Any], tmp_path: Path, closed_port: int
) -> None:
    uri = f"http://someone:secret@127.0.0.1:{closed_port}"
    start = time.monotonic()
    with pytest.raises(OneLineExit) as caught:
        run_bundle("s_sam", "train+image2d", output_dir=str(tmp_path / "run"), tracking_uri=uri)
    assert time.monotonic() - start < 30
    line = str(caught.value)
    assert line.startswith(f"tracking_uri='http://127.0.0.1:{closed_port}': does not answer (")
    assert "; start it, or give " in line
    assert "\n" not in line and "secret" not in line
    assert not list(tmp_path.iterdir())


def test_database_that_cannot_be_made_or_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database")
    for path, problem in (("file/mlflow.db", "file cannot be written to"), ("file", "does not answer (")):
        with pytest.raises(OneLineExit) as caught:
            preflight_tracking(f"sqlite:///{tmp_path}/{path}", "experiment", tmp_path / "run")
        assert problem in str(caught.value)
    assert (tmp_path / "file").read_text() == "no database"


def test_deleted_experiment_and_a_name_that_is_none(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = connect(uri)
    client.delete_experiment(experiment_id(client, uri, "gone"))
    preflight_tracking(uri, "another", tmp_path / "run")
    with pytest.raises(OneLineExit, match="experiment='gone': was deleted at sqlite"):
        preflight_tracking(uri, "gone", tmp_path / "run")
    with pytest.raises(OneLineExit, match="experiment=' ': is no name"):
        preflight_tracking(uri, " ", tmp_path / "run")


def test_nothing_is_written_where_all_is_well(tmp_path: Path) -> None:
    preflight_tracking(None, "experiment", tmp_path / "runs" / "run")
    preflight_tracking("off", "", tmp_path / "runs" / "run")
    assert not list(tmp_path.iterdir())
