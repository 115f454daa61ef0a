"""The client of a tracking server; ``mlflow`` is imported here and not before, as that takes seconds."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from monai_samadapt.tracking.location import artefact_location, database_path

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

WAITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""Seconds and repetitions of a request, by default 120 and 7: a training must not wait for a server that is down."""


@contextmanager
def short_waits() -> Iterator[None]:
    """Give a server that does not answer up soon, unless the user has set how long to wait."""
    added = [name for name in WAITS if name not in os.environ]
    os.environ.update({name: WAITS[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def connect(uri: str) -> MlflowClient:
    """A client; the database of an SQLite URI is made when it is not there."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if path := database_path(uri):
        path.parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(uri)


def experiment_id(client: MlflowClient, uri: str, name: str) -> str:
    """The id of an experiment, which is made when it is not there."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artefact_location(uri)))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def find_run(client: MlflowClient, run_id: str | None) -> Run | None:
    """A run that is there and was not deleted."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None
