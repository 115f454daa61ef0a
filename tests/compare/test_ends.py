"""How comparisons end that do not run to their end."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from monai_samadapt.compare import DataSet, Study
from monai_samadapt.compare.run import compare
from monai_samadapt.compare.tracking import CompareLog
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.tracking.client import connect

STUDY = Study({"a": DataSet("/a", ids={"labels": ["X"]})}, {"s_sam": {}})


@pytest.mark.parametrize(
    "error, status", [(KeyboardInterrupt(), "KILLED"), (SamAdaptError("output", "x", "is", "no"), "FAILED")]
)
def test_a_run_in_mlflow_is_killed_by_its_user_and_fails_by_an_error(
    error: BaseException, status: str, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    log = CompareLog(uri, "ends", tmp_path)
    log.start(STUDY)
    assert log.log is not None
    client = connect(uri)
    assert client.get_run(log.log.run_id).info.status == "RUNNING"
    log.stop(error)
    assert client.get_run(log.log.run_id).info.status == status


def test_one_comparison_at_a_time_writes_in_a_folder(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(SamAdaptError, match="another comparison is writing there; wait"):
        compare(STUDY, tmp_path, "off")
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}
