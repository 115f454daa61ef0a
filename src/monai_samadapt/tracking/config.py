"""The configuration of a run as MLflow keeps it."""

from __future__ import annotations

import json

from monai_samadapt.passwords import without_password
from monai_samadapt.reports.jsonfile import json_value
from monai_samadapt.running import running_config


def config_text() -> str | None:
    """The configuration of the bundle that is running as JSON that ``monai.bundle run`` takes; None outside of one.

    A password in it is left out.
    """
    config = running_config()
    return None if config is None else without_password(json.dumps(json_value(config), indent=2)) + "\n"
