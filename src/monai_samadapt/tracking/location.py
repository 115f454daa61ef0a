"""Where a run is logged: its server and the record that later steps find it by."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from monai.utils import path_to_sqlite_uri

from monai_samadapt.passwords import without_password
from monai_samadapt.reports.jsonfile import write_json

OFF = "off"
RECORD = "mlflow_run.json"
DATABASE = "mlflow.db"
ARTEFACTS = "mlartifacts"
SQLITE = "sqlite:///"


def find_uri(tracking_uri: str | None, output_dir: str | os.PathLike[str], go_on: bool) -> str:
    """The URI of the tracking server.

    It is the one given; else, to go on with a run, that of its record; else ``MLFLOW_TRACKING_URI``; else the SQLite
    file ``mlflow.db`` in the parent of ``output_dir``.
    """
    if tracking_uri:
        return tracking_uri
    recorded = read_record(output_dir).get("tracking_uri") if go_on else None
    usual = os.environ.get("MLFLOW_TRACKING_URI")
    if usual and recorded == without_password(usual):  # the record has no user and password
        return usual
    return recorded or usual or default_uri(output_dir)


def default_uri(output_dir: str | os.PathLike[str]) -> str:
    """The SQLite file that all runs beside each other share."""
    return path_to_sqlite_uri(Path(os.path.abspath(output_dir)).parent / DATABASE)


def database_path(uri: str) -> Path | None:
    """The file of an SQLite URI; None for any other."""
    return Path(os.path.abspath(unquote(uri[len(SQLITE) :].split("?")[0]))) if uri.startswith(SQLITE) else None


def artefact_location(uri: str) -> str | None:
    """Where an experiment of a database on this machine keeps artefacts: beside it; a server decides for itself."""
    path = database_path(uri)
    return None if path is None else (path.parent / ARTEFACTS).as_uri()


def failure(error: Exception, uri: str) -> str:
    """Why a server failed, in one line of at most 160 characters and without the password."""
    text = " ".join(str(error).split()) or type(error).__name__
    secret = urlsplit(uri).netloc.rpartition("@")
    return text.replace(secret[0] + secret[1], "")[:160] if secret[1] else text[:160]


def read_record(output_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """What :func:`write_record` wrote; empty when there is none that can be read."""
    try:
        content = json.loads((Path(output_dir) / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_record(output_dir: str | os.PathLike[str], uri: str, experiment: str, run_id: str) -> None:
    """Write ``mlflow_run.json``; the default database is left out, so that the folder of the runs can be moved."""
    known = None if uri == default_uri(output_dir) else without_password(uri)
    record = {"tracking_uri": known, "experiment": experiment, "run_id": run_id}
    write_json(record, Path(output_dir) / RECORD)
