"""The configuration of the bundle that is running."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from monai.bundle import ConfigParser


def running_config() -> dict[str, Any] | None:
    """The configuration that MONAI is instantiating right now, merged and with what the command line overrides.

    MONAI hands an object its own arguments only; the parser that makes it is found among the callers.

    Returns:
        The content, which may hold objects that were made already; None when no bundle is running.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        parser = frame.f_locals.get("self")
        if isinstance(parser, ConfigParser) and isinstance(parser.config, dict):
            return {key: value for key, value in parser.config.items() if key != "_meta_"}
        frame = frame.f_back
    return None
