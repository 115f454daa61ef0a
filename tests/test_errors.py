"""Errors in one line, and where they are found again."""

from __future__ import annotations

import pytest
from torch.utils.data import DataLoader, Dataset

from monai_samadapt.errors import OneLineExit, SamAdaptError, exits_in_one_line, find_error


class Faulty(Dataset):
    """Raises the same error for every item."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        try:
            raise self.error
        except SamAdaptError as error:
            raise RuntimeError("applying transform") from error


ERRORS = [
    SamAdaptError("image", "/d/a: b; c.png", "no such file", "check it; or leave it out"),
    SamAdaptError("window", [0.0, 1.5], "is: wrong", "give [low, high]"),
    SamAdaptError("rank", None, "is none", "give 1"),
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_is_found_in_the_process_and_in_a_worker(error: SamAdaptError, workers: int) -> None:
    run = exits_in_one_line(lambda: list(DataLoader(Faulty(error), num_workers=workers)))
    with pytest.raises(OneLineExit) as caught:
        run()
    assert str(caught.value) == str(error)
    assert caught.value.error.key == error.key


def test_the_last_of_several_in_a_traceback_counts() -> None:
    text = "Original Traceback:\nmonai_samadapt.errors.SamAdaptError: a=1: b; c\n  x\nSamAdaptError: d='e': f; g\n"
    found = find_error(RuntimeError(text))
    assert found is not None
    assert (found.key, str(found.value), found.problem, found.remedy) == ("d", "'e'", "f", "g")
    assert str(found) == "d='e': f; g"


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        exits_in_one_line(lambda: 1 / 0)()
    assert find_error(RuntimeError("CUDA out of memory: a=1")) is None
    assert find_error(None) is None
