"""Fetch base weights into the cache: once, resumable, verified."""

from __future__ import annotations

import os
import ssl
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import certifi
from filelock import FileLock
from tqdm import tqdm

from monai_samadapt.backbones import registry
from monai_samadapt.backbones.registry import WeightsEntry
from monai_samadapt.backbones.verify import check_content, remember, verify_file
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import sha256

BLOCK = 1 << 20
TIMEOUT = 30.0


def cache_folder() -> Path:
    """Folder of the downloaded weights: ``$SAMADAPT_CACHE``, else ``~/.cache/monai_samadapt``."""
    return Path(os.environ.get("SAMADAPT_CACHE") or "~/.cache/monai_samadapt").expanduser()


def local_path(entry: WeightsEntry) -> Path:
    """Where the weights lie once they are there: in the package, or in the cache."""
    return registry.WEIGHTS_FOLDER / entry.embedded if entry.embedded else cache_folder() / entry.file


def fetch(entry: WeightsEntry) -> tuple[Path, str]:
    """Give the path and the SHA-256 of verified weights, downloading them when they are not in the cache.

    Nothing is asked of the network when the file is there, be it downloaded or put there by hand. Processes that fetch
    the same file at the same time wait for the first of them.

    Raises:
        SamAdaptError: when the file cannot be fetched, or its size or hash is wrong.
    """
    path = local_path(entry)
    if entry.embedded:
        return path, _check_embedded(path, entry)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                if not path.is_file():
                    _download(entry, path)
        except (OSError, HTTPException) as error:
            raise _not_fetched(entry, path, error) from error
    return path, verify_file(path, entry)


def _check_embedded(path: Path, entry: WeightsEntry) -> str:
    found = sha256(path)
    if entry.sha256 not in (None, found):
        problem = f"{path} has SHA-256 {found}, the registry says {entry.sha256}"
        raise SamAdaptError("checkpoint", entry.name, problem, "install the package again")
    return found


def _download(entry: WeightsEntry, path: Path) -> None:
    """Complete ``<file>.part``, check it and rename it; a part with wrong content is removed."""
    part = path.with_name(f"{path.name}.part")
    if entry.size is None or _size(part) != entry.size:
        _complete(entry, part)
    try:
        found = check_content(part, entry)
    except SamAdaptError as error:
        part.unlink()
        remedy = f"it was removed; fetch again, or put the right file in {path.parent}"
        raise SamAdaptError("checkpoint", entry.name, f"{error.problem} (from {entry.url})", remedy) from error
    os.replace(part, path)
    remember(path, found)


def _complete(entry: WeightsEntry, part: Path) -> None:
    """Ask for what is missing, again after each cut that brought something."""
    while True:
        before = _size(part)
        try:
            return _transfer(entry, part)
        except (OSError, HTTPException):
            if _size(part) <= before:
                raise


def _transfer(entry: WeightsEntry, part: Path) -> None:
    """Append what is missing to ``part``; start from nothing where the server does not serve ranges."""
    with _open(str(entry.url), _size(part)) as response:
        start = _size(part) if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else entry.size
        bar = tqdm(desc=entry.file, initial=start, total=total, unit="B", unit_scale=True, disable=None)
        with bar, open(part, "ab" if start else "wb") as stream:
            while block := response.read(BLOCK):
                stream.write(block)
                bar.update(len(block))
    if total is not None and _size(part) < total:
        raise ConnectionError(f"the connection was cut after {_size(part)} of {total} bytes")


def _open(url: str, start: int) -> Any:
    # Some machines have no certificate authorities of their own.
    trusted = ssl.create_default_context()
    trusted.load_verify_locations(certifi.where())
    request = Request(url, headers={"User-Agent": "monai_samadapt"} | ({"Range": f"bytes={start}-"} if start else {}))
    try:
        return urlopen(request, timeout=TIMEOUT, context=trusted)
    except HTTPError as error:
        if start and error.code == 416:
            return _open(url, 0)
        raise


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _not_fetched(entry: WeightsEntry, path: Path, error: Exception) -> SamAdaptError:
    problem = f"{entry.file} is not in {path.parent} and cannot be fetched from {entry.url} ({error})"
    kept = _size(path.with_name(f"{path.name}.part"))
    again = f"run again to go on after the {kept} bytes kept" if kept else "try again with a network"
    return SamAdaptError("checkpoint", entry.name, problem, f"{again}, or put {entry.file} in {path.parent} by hand")
