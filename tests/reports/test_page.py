"""Pages in a real browser: nothing from elsewhere, nothing unescaped."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from monai_samadapt.reports.page import Facts, Folded, Paragraph, Picture, Section, Table, render_page, write_page

Browser = Callable[[Path], tuple[str, list[str]]]


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(stream, "PNG")
    return stream.getvalue()


SECTIONS = [
    Section("What & how", [Facts({"<b>": 'x < "y"', "Command": "a\nb"}, code=["Command"]), Paragraph("one < two")]),
    Section(
        "Tables",
        [
            Section("Inside", [Table("Caption <1>", ["label", "Dice"], [["Liver", ("0.9", "[0.8, 1.0] (3)")]])]),
            Table("Mean", ["label", "n"], [["a", "1"]], last=["all", "2"]),
            Picture(png(), 'alt "text"', "caption"),
            Folded("Manifest", "{\n  <script>alert(1)</script>\n}"),
        ],
    ),
]


class Outline(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def outline(html: str) -> Outline:
    parsed = Outline()
    parsed.feed(html)
    return parsed


def test_the_parts_of_a_page() -> None:
    html = render_page("A <title>", "lead", SECTIONS)
    parsed = outline(html)
    names = [name for name, _ in parsed.tags]
    assert [name for name in names if re.fullmatch(r"h\d", name)] == ["h1", "h2", "h2", "h3"]
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert (names.count("title"), names.count("main"), names.count("caption"), names.count("tfoot")) == (1, 1, 2, 1)
    links = [attributes["href"] for name, attributes in parsed.tags if name == "a"]
    anchors = [f"#{attributes['id']}" for name, attributes in parsed.tags if "id" in attributes]
    assert links == anchors == ["#what-how", "#tables"]
    assert [attributes["alt"] for name, attributes in parsed.tags if name == "img"] == ['alt "text"']
    assert {attributes.get("scope") for name, attributes in parsed.tags if name == "th"} == {"col", "row"}
    assert "script" not in names
    for text in ("<b>", 'x < "y"', "one < two", "A <title>", "Caption <1>", "0.9", "[0.8, 1.0] (3)"):
        assert text in parsed.words
    assert "<td><b>0.9</b> <small>[0.8, 1.0] (3)</small></td>" in html


def test_a_page_needs_nothing_else() -> None:
    parsed = outline(render_page("t", "l", SECTIONS))
    for _, attributes in parsed.tags:
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:"))


def test_a_browser_renders_it_without_a_complaint(tmp_path: Path, browser: Browser) -> None:
    write_page(tmp_path / "page.html", "A <title>", "lead", SECTIONS)
    dom, console = browser(tmp_path / "page.html")
    assert console == []
    assert outline(dom).tags.count(("html", {"lang": "en"})) == 1
    assert "A <title>" in outline(dom).words


@pytest.mark.parametrize("foreign", ['<img src="http://127.0.0.1:9/a.png" alt="">', "<script>let a = 1</script>"])
def test_the_page_forbids_what_comes_from_elsewhere(foreign: str, tmp_path: Path, browser: Browser) -> None:
    html = render_page("t", "l", SECTIONS).replace("</main>", f"{foreign}</main>")
    (tmp_path / "page.html").write_text(html)
    _, console = browser(tmp_path / "page.html")
    assert len(console) == 1
    assert "Content Security Policy" in console[0]
