"""What must not be written down."""

from __future__ import annotations

import re


def without_password(text: str) -> str:
    """A URI, or a text with such, as it may be shown and written down: ``//user:password@host`` is ``//host``."""
    return re.sub(r"(://)[^/\s'\"]*@", r"\1", text)
