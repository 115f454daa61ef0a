"""Fetching base weights from a real HTTP server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from monai_samadapt.backbones import verify
from monai_samadapt.backbones.download import cache_folder, fetch
from monai_samadapt.backbones.registry import REGISTRY, WeightsEntry
from monai_samadapt.backbones.resolve import resolve_checkpoint
from monai_samadapt.cli import main
from monai_samadapt.errors import SamAdaptError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = "weights.pth"


@dataclass
class Server:
    """What the server serves and what it was asked for: the Range header of each request, None without one."""

    url: str
    content: bytes = CONTENT
    ranges: bool = True
    cut_after: int | None = None
    at_most: int = len(CONTENT) + 1
    asked: list[str | None] = field(default_factory=list)

    def entry(self, sha256: str | None = DIGEST, size: int | None = len(CONTENT)) -> WeightsEntry:
        return WeightsEntry("sam_vit_test", "sam", "vit_b", self.url, sha256, size)


class Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self) -> None:
        state, asked = self.state, self.headers.get("Range")
        if self.path.endswith("/missing"):
            self.send_error(404)
            return
        state.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.ranges else 0
        if start and start >= len(state.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(state.content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
        self.end_headers()
        self.wfile.write(state.content[start : state.cut_after][: state.at_most])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SAMADAPT_CACHE", str(tmp_path / "cache"))
    handler = type("BoundHandler", (Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.state = Server(f"http://127.0.0.1:{http.server_port}/{FILE}")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield handler.state
    http.shutdown()
    http.server_close()
    thread.join()


def _part() -> Path:
    return cache_folder() / f"{FILE}.part"


def _count_hashing(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    hashed: list[Path] = []
    original = verify.sha256

    def counting(path: Path) -> str:
        hashed.append(path)
        return original(path)

    monkeypatch.setattr(verify, "sha256", counting)
    return hashed


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMADAPT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SAMADAPT_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "monai_samadapt"


def test_fresh_download_then_no_network(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = _count_hashing(monkeypatch)
    path, digest = fetch(server.entry())
    assert (path, digest) == (cache_folder() / FILE, DIGEST)
    assert path.read_bytes() == CONTENT
    assert not _part().exists()
    assert fetch(server.entry()) == (path, DIGEST)
    assert server.asked == [None]
    assert len(hashed) == 1


def test_a_cut_download_goes_on_where_it_stopped(server: Server) -> None:
    server.cut_after = 1_234_567
    with pytest.raises(SamAdaptError, match=r"cut after 1234567 of 3000000 bytes.* go on after the 1234567 bytes kept"):
        fetch(server.entry())
    assert _part().stat().st_size == 1_234_567
    assert not (cache_folder() / FILE).exists()
    assert server.asked == [None, "bytes=1234567-"]
    server.cut_after = None
    path, _ = fetch(server.entry())
    assert server.asked[2:] == ["bytes=1234567-"]
    assert path.read_bytes() == CONTENT


def test_a_connection_that_is_cut_now_and_then_is_taken_up_in_one_call(server: Server) -> None:
    server.at_most = 1_000_000
    path, _ = fetch(server.entry())
    assert server.asked == [None, "bytes=1000000-", "bytes=2000000-"]
    assert path.read_bytes() == CONTENT


def test_cuts_without_ranges_end(server: Server) -> None:
    server.at_most, server.ranges = 1_000_000, False
    with pytest.raises(SamAdaptError, match="cut after 1000000 of 3000000 bytes"):
        fetch(server.entry())
    assert server.asked == [None, "bytes=1000000-"]


def test_a_server_without_ranges_starts_again(server: Server) -> None:
    cache_folder().mkdir(parents=True)
    _part().write_bytes(b"x" * 1000)
    server.ranges = False
    path, _ = fetch(server.entry())
    assert server.asked == ["bytes=1000-"]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_part_longer_than_the_file_starts_again(server: Server, size: int | None) -> None:
    cache_folder().mkdir(parents=True)
    _part().write_bytes(CONTENT + b"x")
    path, _ = fetch(server.entry(size=size))
    assert server.asked == ["bytes=3000001-", None]
    assert path.read_bytes() == CONTENT


def test_a_complete_part_needs_no_network(server: Server) -> None:
    cache_folder().mkdir(parents=True)
    _part().write_bytes(CONTENT)
    assert fetch(server.entry())[1] == DIGEST
    assert server.asked == []


@pytest.mark.parametrize("content", [b"y" + CONTENT[1:], CONTENT[:-1]], ids=["hash", "size"])
def test_wrong_content_is_removed(server: Server, content: bytes) -> None:
    server.content = content
    with pytest.raises(SamAdaptError) as caught:
        fetch(server.entry())
    words = str(caught.value)
    assert "\n" not in words
    assert server.url in words
    assert "it was removed" in words
    assert (f"SHA-256 {hashlib.sha256(content).hexdigest()}" in words) == (len(content) == len(CONTENT))
    assert [path.name for path in cache_folder().iterdir() if path.suffix != ".lock"] == []


def test_without_a_known_hash_the_first_one_is_pinned(server: Server) -> None:
    entry = server.entry(sha256=None, size=None)
    path, digest = fetch(entry)
    assert digest == DIGEST
    pinned = json.loads((cache_folder() / "pinned.json").read_text())
    assert list(pinned.values()) == [DIGEST]
    path.unlink()
    assert fetch(entry)[1] == DIGEST
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(SamAdaptError, match=rf"pinned\.json says {DIGEST}.*it was removed"):
        fetch(entry)
    assert not path.exists()
    assert not _part().exists()
    assert json.loads((cache_folder() / "pinned.json").read_text()) == pinned


def test_offline_names_file_url_and_folder(server: Server) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{FILE}"
        with pytest.raises(SamAdaptError) as caught:
            fetch(replace(server.entry(), url=url))
    words = str(caught.value)
    assert "\n" not in words
    assert f"{FILE} is not in {cache_folder()} and cannot be fetched from {url}" in words
    assert words.endswith(f"or put {FILE} in {cache_folder()} by hand")
    assert not _part().exists()


def test_a_missing_page_says_so(server: Server) -> None:
    with pytest.raises(SamAdaptError, match=r"cannot be fetched.*HTTP Error 404"):
        fetch(replace(server.entry(), url=server.url + "/missing"))


def test_a_file_put_by_hand_is_hashed_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = _count_hashing(monkeypatch)
    path = cache_folder() / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    for _ in range(3):
        assert fetch(server.entry()) == (path, DIGEST)
    assert hashed == [path]
    os.utime(path, ns=(0, 0))
    assert fetch(server.entry())[1] == DIGEST
    assert hashed == [path, path]
    assert server.asked == []


@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT[1:]], ids=["hash", "size"])
def test_a_wrong_file_put_by_hand_is_refused_and_kept(server: Server, content: bytes) -> None:
    path = cache_folder() / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(SamAdaptError, match="remove the file and fetch it again"):
        fetch(server.entry())
    assert path.read_bytes() == content


def test_a_file_changed_after_it_passed_is_refused(server: Server) -> None:
    path, _ = fetch(server.entry())
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(0, 0))
    with pytest.raises(SamAdaptError, match=f"the registry says {DIGEST}"):
        fetch(server.entry())


def test_processes_that_start_together_download_once(server: Server) -> None:
    results: list[tuple[Path, str]] = []
    threads = [threading.Thread(target=lambda: results.append(fetch(server.entry()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(cache_folder() / FILE, DIGEST)] * 4
    assert server.asked == [None]


def test_resolve_and_command_fetch_by_name(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(REGISTRY, "sam_vit_test", server.entry())
    resolved = resolve_checkpoint("sam_vit_test", "sam", "vit_b")
    assert (resolved.kind, resolved.path, resolved.sha256) == ("registry", cache_folder() / FILE, DIGEST)
    assert main(["weights", "sam_vit_test"]) == 0
    assert capsys.readouterr().out == f"{cache_folder() / FILE}\nSHA-256 {DIGEST}\n"
    assert server.asked == [None]
