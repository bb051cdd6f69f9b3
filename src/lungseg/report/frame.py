"""What every HTML page of this package is made of: the frame with its style, sections, and pictures
that lie in the page itself.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

import cv2

from lungseg.draw.picture import Picture

QUALITY: Final = 85
"""Of pictures, as JPEG: a radiograph of 1024 pixels takes some 150 kB."""


@cache
def asset(name: str) -> str:
    """The text of a file that lies beside this module, such as "style.css"."""
    return (files("lungseg.report") / name).read_text(encoding="utf-8")


def frame(title: str, body: str, *, script: str = "", nearby: bool = False) -> str:
    """A whole page with a heading.

    It may load nothing from any other machine, whatever a name in it holds: its content security
    policy knows its own style and its own script, by their hash, and pictures within it.

    Args:
        title: plain text.
        body: HTML of what follows the heading.
        script: runs at the end of the page.
        nearby: pictures may also be files in the folder of the page.
    """
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    own = f" script-src 'sha256-{hashed}';" if script else ""
    pictures = "data: 'self' file:" if nearby else "data:"
    policy = (
        f"default-src 'none'; img-src {pictures}; style-src 'unsafe-inline';{own} base-uri "
        "'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta '
        'name="referrer" content="no-referrer">'
        f"<title>{escape(title)}</title><style>{asset('style.css')}</style></head>\n"
        "<body><main>"
        f"<h1>{escape(title)}</h1>\n{body}\n</main>"
        f"{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )


def section(title: str, *parts: str, text: str = "") -> str:
    """Parts under a heading, with a paragraph of plain text before them."""
    words = f"<p>{escape(text)}</p>" if text else ""
    return f"<section><h2>{escape(title)}</h2>{words}{''.join(parts)}</section>"


def jpeg(picture: Picture) -> bytes:
    """A picture (rows, columns, 3) of red, green and blue as the bytes of a JPEG file."""
    return cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[
        1
    ].tobytes()


def image(picture: Picture, alt: str, attributes: str = "") -> str:
    """An <img> that holds the picture; `alt` is plain text, `attributes` HTML."""
    code = base64.b64encode(jpeg(picture)).decode()
    size = f'width="{picture.shape[1]}" height="{picture.shape[0]}"'
    return f'<img {attributes} {size} alt="{escape(alt)}"\nsrc="data:image/jpeg;base64,{code}">'
