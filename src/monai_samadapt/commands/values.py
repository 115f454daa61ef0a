"""Values of ids on a command line."""

from __future__ import annotations

import ast
from typing import Any


def value_of(text: str) -> Any:
    """A Python literal or JSON word as its value, anything else as text."""
    words = {"true": True, "false": False, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
