"""These tests need MONAI Label, the extra ``label``."""

from __future__ import annotations

import pytest

pytest.importorskip("monailabel", reason="MONAI Label is not installed: pip install .[label]")
