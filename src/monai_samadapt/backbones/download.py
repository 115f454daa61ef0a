from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    return Path(os.environ.get("SAMADAPT_CACHE", "~/.cache/monai_samadapt")).expanduser()
