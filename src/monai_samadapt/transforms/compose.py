"""A chain of transforms that reports a wrong file in one line."""

from __future__ import annotations

from typing import Any

from monai.transforms import Compose

from monai_samadapt.errors import SamAdaptError


class OneLineCompose(Compose):
    """MONAI's `Compose`, but a `SamAdaptError` in one of its transforms stays what it is.

    `Compose` wraps every error into ``RuntimeError: applying transform …``, which hides the line that names the file.
    """

    def __call__(
        self, input_: Any, start: int = 0, end: int | None = None, threading: bool = False, lazy: bool | None = None
    ) -> Any:
        """Apply the transforms.

        Raises:
            SamAdaptError: as raised by a transform.
        """
        try:
            return super().__call__(input_, start=start, end=end, threading=threading, lazy=lazy)
        except RuntimeError as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, SamAdaptError):
                cause = cause.__cause__
            if cause is None:
                raise
            raise cause from None
