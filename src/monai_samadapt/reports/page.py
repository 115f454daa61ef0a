"""A page of sections with tables, pictures and facts as one HTML file that needs nothing else."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Protocol

from monai_samadapt.files import atomic_path
from monai_samadapt.reports.page_style import STYLE

Cell = str | tuple[str, str]
"""Text, or a figure with what is written smaller beside it."""

# A browser that keeps to it asks no server for anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Part(Protocol):
    """Something that can stand in a section."""

    def html(self) -> str:
        """Return it as HTML."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str

    def html(self) -> str:
        """Return it as HTML."""
        return f"<p>{escape(self.text)}</p>"


@dataclass(frozen=True)
class Facts:
    """Names and their values; those of ``code`` in the type of a terminal."""

    values: Mapping[str, str]
    code: Sequence[str] = ()

    def html(self) -> str:
        """Return it as HTML."""
        lines = [
            f"<div><dt>{escape(name)}</dt><dd>{_code(value) if name in self.code else escape(value)}</dd></div>"
            for name, value in self.values.items()
        ]
        return f"<dl>{''.join(lines)}</dl>"


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first cell of each row is its header, ``last`` a row set apart below."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    last: Sequence[Cell] | None = None

    def html(self) -> str:
        """Return it as HTML."""
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in self.head)
        body = "".join(_row(row) for row in self.rows)
        foot = "" if self.last is None else f"<tfoot>{_row(self.last)}</tfoot>"
        inside = f"<caption>{escape(self.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}"
        return f'<div class="wide" tabindex="0" role="region" aria-label="Table"><table>{inside}</table></div>'


@dataclass(frozen=True)
class Picture:
    """A PNG with the text that stands for it, and a caption."""

    png: bytes = field(repr=False)
    alt: str
    caption: str = ""

    def html(self) -> str:
        """Return it as HTML."""
        source = f"data:image/png;base64,{b64encode(self.png).decode()}"
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure><img src="{source}" alt="{escape(self.alt)}">{caption}</figure>'


@dataclass(frozen=True)
class Folded:
    """A long text that is shown when asked for."""

    title: str
    text: str

    def html(self) -> str:
        """Return it as HTML."""
        return f"<details><summary>{escape(self.title)}</summary><pre>{escape(self.text)}</pre></details>"


@dataclass(frozen=True)
class Section:
    """A heading with what belongs to it; sections inside get smaller headings."""

    title: str
    parts: Sequence[Part | Section]

    def html(self, level: int = 2) -> str:
        """Return it as HTML."""
        inside = "".join(part.html(level + 1) if isinstance(part, Section) else part.html() for part in self.parts)
        heading = f"<h{level}>{escape(self.title)}</h{level}>"
        anchor = f' id="{_anchor(self.title)}"' if level == 2 else ""
        return f"<section{anchor}>{heading}{inside}</section>\n"


def render_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Return the page; section titles must differ, as they are the anchors of its contents.

    Args:
        title: of the page.
        lead: a line below it.
        sections: in their order; the contents list them.
    """
    links = "".join(f'<li><a href="#{_anchor(part.title)}">{escape(part.title)}</a></li>' for part in sections)
    body = "".join(part.html() for part in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1><p>{escape(lead)}</p></header>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n<main>\n{body}</main>\n</body>\n</html>\n'
    )


def write_page(path: str | os.PathLike[str], title: str, lead: str, sections: Sequence[Section]) -> None:
    """Write `render_page` to a file, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(render_page(title, lead, sections), encoding="utf-8")


def _row(cells: Sequence[Cell]) -> str:
    first, *others = (_cell(cell) for cell in cells)
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(cell)
    return f"<b>{escape(cell[0])}</b> <small>{escape(cell[1])}</small>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")
