"""Register an adapted network as a model of MLflow."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import monai_samadapt
from monai_samadapt.engines.artefacts import read_description
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.run_files import DESCRIPTION, MODEL
from monai_samadapt.tracking.client import connect, experiment_id, find_run
from monai_samadapt.tracking.location import OFF, find_uri, read_record, write_record
from monai_samadapt.tracking.preflight import REMEDY, preflight_tracking

LOADER = "monai_samadapt.tracking.model"


def register_model(
    run_dir: Path, name: str, tracking_uri: str | None = None, experiment: str = "monai_samadapt"
) -> str:
    """Log ``model.pt`` and ``adapter.json`` of a training run as a pyfunc model, and register it.

    The model belongs to the run's own MLflow run, or to a new one where the training was not tracked.

    Args:
        run_dir: folder of the training run.
        name: of the registered model; one that is there gets a new version.
        tracking_uri, experiment: as in `MLflowTracking`; by default those of the run.

    Returns:
        The model's URI, ``models:/NAME/VERSION``, which ``mlflow.pyfunc.load_model`` takes.

    Raises:
        SamAdaptError: when the folder holds no model, or the server does not answer.
    """
    description = read_description(run_dir)
    if not (run_dir / MODEL).is_file():
        raise SamAdaptError("run_dir", str(run_dir), f"holds no {MODEL}", "give the folder of a training run")
    if tracking_uri == OFF:
        raise SamAdaptError("tracking_uri", OFF, "there is nowhere to register a model", REMEDY)
    record = read_record(run_dir)
    experiment = record.get("experiment") or experiment
    preflight_tracking(tracking_uri, experiment, run_dir, go_on=True)
    uri = find_uri(tracking_uri, run_dir, go_on=True)
    client = connect(uri)
    run = find_run(client, record.get("run_id"))
    if run is None:
        title = f"{description['method']} {run_dir.resolve().name}"
        run = client.create_run(experiment_id(client, uri, experiment), run_name=title)
        write_record(run_dir, uri, experiment, run.info.run_id)
    return _log_model(uri, run.info.run_id, name, run_dir, description)


def _log_model(uri: str, run_id: str, name: str, run_dir: Path, description: dict[str, Any]) -> str:
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        with TemporaryDirectory() as data, mlflow.start_run(run_id=run_id):
            for file in (DESCRIPTION, MODEL):
                (Path(data) / file).symlink_to((run_dir / file).resolve())
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module=LOADER,
                data_path=data,
                registered_model_name=name,
                signature=_signature(),
                pip_requirements=[f"monai_samadapt=={monai_samadapt.__version__}", "mlflow"],
                metadata={"method": description["method"], "labels": description["labels"]},
            )
    finally:
        mlflow.set_tracking_uri(before)
    return f"models:/{name}/{logged.registered_model_version}"


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import DataType, ParamSchema, ParamSpec

    # a schema of the input would refuse a plain path
    return ModelSignature(params=ParamSchema([ParamSpec("output_dir", DataType.string, "")]))
