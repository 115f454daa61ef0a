"""Runs an engine so that what is found wrong on the way ends it in one line."""

from __future__ import annotations

import logging
import re
import sys

import ignite.distributed as idist
from monai.engines.workflow import Workflow

from monai_samadapt.engines.exhausted import exhausted, is_exhausted
from monai_samadapt.engines.lock import give_back
from monai_samadapt.errors import SamAdaptError, exits_in_one_line, find_error
from monai_samadapt.processes import grouped

LOST = re.compile("closed by peer|reset by peer|connection refused|timed out|timeout|broken pipe|NCCL", re.IGNORECASE)
"""What gloo and NCCL say when another process is gone."""


@exits_in_one_line
def execute(engine: Workflow) -> None:
    """Run an engine; what goes wrong on the way and can be named ends the run in one line.

    Raises:
        SamAdaptError: for a wrong file or setting, too little memory, or when another process of the run has ended.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_no_line)
    if engine.state.epoch_length == 0:  # all cases are done, or others' to do
        return
    try:
        engine.run()
    except (RuntimeError, MemoryError) as error:
        if is_exhausted(error):
            raise exhausted(engine) from error
        if is_lost(error):
            problem = "another process of the run has ended or does not answer"
            remedy = "read its message; resume True goes on after the last epoch saved"
            raise SamAdaptError("processes", idist.get_world_size(), problem, remedy) from error
        raise
    finally:
        give_back()


def is_lost(error: BaseException) -> bool:
    """Whether another process is gone."""
    return grouped() and LOST.search(str(error)) is not None


def _is_no_line(record: logging.LogRecord) -> bool:
    """Leave out what ignite logs about an error that will be told in one line: its text, with a worker's traceback."""
    error = sys.exc_info()[1]
    told = error is not None and (find_error(error) is not None or is_exhausted(error) or is_lost(error))
    return not (record.name.startswith("ignite.engine") and told)
