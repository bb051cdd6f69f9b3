"""Pages of HTML taken apart."""

from __future__ import annotations

import re
from html.parser import HTMLParser

EVIL = '<script>alert("x")</script>\'&🫁'


class Page(HTMLParser):
    """Tags with their attributes, and the text, of a page; a tag that is closed and was not opened
    is an error."""

    VOID = frozenset({"meta", "img", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str, look: str | None = None) -> list[dict[str, str]]:
        """The attributes of every tag of that name, and of that class where one is given."""
        return [
            of
            for name, of in self.tags
            if name == tag and (look is None or look in of.get("class", "").split())
        ]


def without_pictures(text: str) -> str:
    """A page without the digits of its pictures, in which any short word may stand by chance."""
    return re.sub(r";base64,[A-Za-z0-9+/=]+", "", text)


def outside(text: str) -> list[str]:
    """Whatever in a page could load something from elsewhere."""
    return re.findall(r"https?:[^\s\"'<]*|@import|url\(|<link|<iframe|<object|src=\"//", text)


class _Outline(HTMLParser):
    """A line for each tag with its attributes, and for each text, one space further in than what
    it lies in."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in Page.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = "".join(f" {name}={_short(name, value or '')}" for name, value in sorted(attrs))
        self.lines.append(" " * len(self._open) + f"<{tag}{said}>")

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        program = self._open[-1:] in (["style"], ["script"]) and "id=data" not in self.lines[-1]
        if text and not program:
            self.lines.append(" " * len(self._open) + text)


def _short(name: str, value: str) -> str:
    """An attribute's value without what is long and shown elsewhere."""
    if name == "src":
        return value.partition(",")[0]
    if name == "content":
        return re.sub("sha256-[^']+", "sha256-HASH", value)
    if name == "class":
        return " ".join(value.split())
    return value if name != "d" or len(value) <= 60 else f"{value[:40]}... of {len(value)}"


def outline(text: str) -> str:
    """What a page consists of, to be compared with the outline of another that shall show the same:
    tags, attributes and texts, without style, programs and the pixels of its pictures."""
    parser = _Outline()
    parser.feed(text)
    parser.close()
    return "\n".join(parser.lines) + "\n"
