"""Runs an engine so that what is found wrong on the way ends it in one line."""

from __future__ import annotations

import logging
import sys

from monai.engines.workflow import Workflow

from monai_samadapt.errors import exits_in_one_line, find_error


@exits_in_one_line
def execute(engine: Workflow) -> None:
    """Run an engine; a file or setting found wrong on the way ends the run in one line."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_no_line)
    engine.run()


def _is_no_line(record: logging.LogRecord) -> bool:
    """Leave out what ignite logs about an error that will be told in one line: its text, with a worker's traceback."""
    return not (record.name.startswith("ignite.engine") and find_error(sys.exc_info()[1]))
