"""Whether the tracking server answers, before a training starts."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.passwords import without_password
from monai_samadapt.processes import agreed
from monai_samadapt.tracking.client import connect, short_waits
from monai_samadapt.tracking.location import OFF, SQLITE, database_path, failure, find_uri

SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
REMEDY = "give http://HOST:PORT, sqlite:///FILE, null for a file beside output_dir, or off"


@agreed
@exits_in_one_line
def preflight_tracking(
    tracking_uri: str | None, experiment: str, output_dir: str | os.PathLike[str], go_on: bool = False
) -> None:
    """Refuse a tracking server that does not answer within seconds, a malformed URI and a deleted experiment.

    Nothing is written: an SQLite file that is not there yet must only be possible to make.

    Args:
        tracking_uri, experiment: as in `MLflowTracking`.
        output_dir: folder of the training run.
        go_on: see `find_uri`.

    Raises:
        SamAdaptError: naming what is wrong.
    """
    if tracking_uri == OFF:
        return
    if not isinstance(experiment, str) or not experiment.strip():
        raise SamAdaptError("experiment", experiment, "is no name", "give the name of an MLflow experiment")
    uri = find_uri(tracking_uri, output_dir, go_on)
    check_uri(uri)
    path = database_path(uri)
    if path is not None and not path.exists():
        check_folder(uri, path)
    else:
        check_server(uri, experiment)


def check_uri(uri: str) -> None:
    """Refuse what is no URI of a server or database; MLflow has given up folders of files."""
    try:
        parts = urlsplit(uri)
        complete = uri == "databricks" or bool(parts.netloc) or uri.startswith(SQLITE)
        known = (parts.scheme or uri).split("+")[0] in SCHEMES and (parts.port or 1) > 0
    except (ValueError, AttributeError):
        known = complete = False
    if not known or not complete:
        raise SamAdaptError("tracking_uri", without_password(uri), "is no tracking server", REMEDY)


def check_folder(uri: str, path: Path) -> None:
    """Refuse a database that cannot be made."""
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise SamAdaptError("tracking_uri", uri, f"{folder} cannot be written to", REMEDY)


def check_server(uri: str, experiment: str) -> None:
    """Ask a server, or a database that is there, for the experiment."""
    shown = without_password(uri)
    try:
        with short_waits():
            found = connect(uri).get_experiment_by_name(experiment)
    except Exception as error:
        problem = f"does not answer ({failure(error, uri)})"
        raise SamAdaptError("tracking_uri", shown, problem, f"start it, or {REMEDY}") from error
    if found is not None and found.lifecycle_stage != "active":
        remedy = "restore it (mlflow experiments restore) or give another name"
        raise SamAdaptError("experiment", experiment, f"was deleted at {shown}", remedy)
