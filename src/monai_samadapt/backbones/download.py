"""Fetch base weights once, into a cache folder, and make sure that they are the right ones."""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import certifi
from filelock import FileLock
from tqdm import tqdm

from monai_samadapt import __version__
from monai_samadapt.backbones.registry import BaseWeights
from monai_samadapt.backbones.verify import check_file
from monai_samadapt.errors import SamAdaptError

ATTEMPTS = 3
BLOCK = 1 << 20
TIMEOUT_SECONDS = 60


def cache_folder() -> Path:
    """The folder for base weights: ``SAMADAPT_CACHE``, else ``~/.cache/monai_samadapt``."""
    return Path(os.environ.get("SAMADAPT_CACHE") or "~/.cache/monai_samadapt").expanduser()


def fetch(weights: BaseWeights) -> tuple[Path, str]:
    """Return the path of published weights in the cache folder, and their SHA-256.

    A file that is there is used without any network access; it is hashed once, and again only when its size or time
    changes. A missing one is downloaded; an interrupted download goes on where it stopped.

    Raises:
        SamAdaptError: when the file can neither be found nor downloaded, or is not the right one.
    """
    path = cache_folder() / weights.file
    if path.is_file() and not os.access(path.parent, os.W_OK):
        return path, check_file(path, path, weights)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.parent / ".lock")
        lock.acquire()
    except OSError as error:
        remedy = "set SAMADAPT_CACHE to a folder you can write to"
        raise SamAdaptError("SAMADAPT_CACHE", str(path.parent), f"cannot be written ({error.strerror})", remedy) from error
    with lock:
        lock.release()
        return path, check_file(path, path, weights) if path.is_file() else _download(weights, path)


def _download(weights: BaseWeights, path: Path) -> str:
    """Download to ``<file>.part``, going on after a cut, and give the file its name when it proves right."""
    part = path.with_name(path.name + ".part")
    for attempt in range(ATTEMPTS):
        before = _size(part)
        try:
            if _receive(weights, part):
                break
            problem = "the connection ended early"
        except (OSError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt + 1 == ATTEMPTS or _size(part) == before:
            remedy = f"run again to go on, or get {weights.url} on another machine and put it into {path.parent}"
            raise SamAdaptError("checkpoint", weights.name, f"{weights.file} cannot be downloaded ({problem})", remedy)
    try:
        sha256 = check_file(part, path, weights)
    except SamAdaptError:
        part.unlink()
        raise
    part.replace(path)
    return sha256


def _receive(weights: BaseWeights, part: Path) -> bool:
    """Append what is missing of the file to ``part``; return whether it is complete."""
    start = _size(part)
    if weights.size is not None and start >= weights.size:
        return True
    headers = {"User-Agent": f"monai_samadapt/{__version__}"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        request = urllib.request.Request(str(weights.url), headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=_trusted()) as answer:
            start = start if answer.status == http.client.PARTIAL_CONTENT else 0
            length = answer.headers.get("Content-Length")
            total = weights.size or (start + int(length) if length else None)
            _write(answer, part, start, total)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return True
    return total is None or _size(part) >= total


def _write(answer: http.client.HTTPResponse, part: Path, start: int, total: int | None) -> None:
    bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, disable=None)
    with bar, open(part, "ab" if start else "wb") as stream:
        while block := answer.read(BLOCK):
            stream.write(block)
            bar.update(len(block))


def _trusted() -> ssl.SSLContext:
    """Trust this machine's certificate authorities and, where it has none, those of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
