"""The configuration of the bundle that is running."""

from __future__ import annotations

import json
import sys
from types import FrameType
from typing import Any

from monai.bundle import ConfigParser

from monai_samadapt.reports.jsonfile import json_value


def running_config() -> str | None:
    """The configuration that MONAI is instantiating right now, merged and with what the command line overrides.

    MONAI hands an object its own arguments only; the parser that makes it is found among the callers.

    Returns:
        JSON that ``monai.bundle run`` takes; None when no bundle is running.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        parser = frame.f_locals.get("self")
        if isinstance(parser, ConfigParser):
            content: dict[str, Any] = json_value(parser.config)
            content.pop("_meta_", None)
            return json.dumps(content, indent=2) + "\n"
        frame = frame.f_back
    return None
