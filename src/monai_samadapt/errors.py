"""Errors that fit on one line: the key, its value, what is wrong and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_IN_TRACEBACK = re.compile(r"^[\w.]*SamAdaptError: (\w+)=(.*?): (.*); (.*)$", re.MULTILINE)


def error_line(key: str, value: object, problem: str, remedy: str) -> str:
    """Return ``key=value: problem; remedy`` without line breaks."""
    return " ".join(f"{key}={value!r}: {problem}; {remedy}".split())


def first_line(error: BaseException, length: int = 160) -> str:
    """The start of what an exception says, or its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:length]


class SamAdaptError(ValueError):
    """A wrong setting, file or weight, told in one line.

    Args:
        key: name of the setting, as the user writes it.
        value: the value found.
        problem: what is wrong with it.
        remedy: what the user can do.
    """

    def __init__(self, key: str, value: object, problem: str, remedy: str) -> None:
        self.key, self.value, self.problem, self.remedy = key, value, problem, remedy
        super().__init__(error_line(key, value, problem, remedy))

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.key, self.value, self.problem, self.remedy)


class OneLineExit(SystemExit):
    """Ends a command-line run with one line on standard error and exit status 1, instead of a traceback."""

    def __init__(self, error: SamAdaptError) -> None:
        self.error = error
        super().__init__(str(error))


class _Shown(str):
    """A value of which only the text it is shown by is known."""

    def __repr__(self) -> str:
        return str(self)


def find_error(error: BaseException | None) -> SamAdaptError | None:
    """Find the one-line error at the root of an exception that other libraries have wrapped.

    What a worker process of a DataLoader raised arrives as a RuntimeError with the worker's traceback as its text; the
    error is read from there, its value as the text it is shown by.
    """
    while error is not None:
        if isinstance(error, SamAdaptError):
            return error
        if isinstance(error, RuntimeError) and (found := _IN_TRACEBACK.findall(str(error))):
            key, value, problem, remedy = found[-1]
            return SamAdaptError(key, _Shown(value), problem, remedy)
        error = error.__cause__ or error.__context__
    return None


def exits_in_one_line(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function that a configuration calls end the run with one line instead of a traceback."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if found := find_error(error):
                raise OneLineExit(found) from error
            raise

    return wrapper
