"""Texts that MONAI's configuration would run, or put something else in the place of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from monai_samadapt.errors import SamAdaptError

MARKED = re.compile(r"[$@%]|_\w*_$")
"""Beginnings of expressions, references and macros; keys as ``_target_``, which make objects."""


def check_plain(key: str, value: Any, source: object) -> None:
    """Refuse such texts in what comes from another's file, as ``{"labels": {"$__import__('os')…": 1}}``.

    Args:
        key: name of the setting.
        value: text, number, list or mapping; keys count too.
        source: the file.

    Raises:
        SamAdaptError: naming the first one.
    """
    for text in _texts(value):
        if MARKED.match(text):
            problem = f"would not be read but run by MONAI's configuration, in {source}"
            raise SamAdaptError(key, text, problem, "rename it, and do not use files that you do not trust")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from (*_texts(name), *_texts(item))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
