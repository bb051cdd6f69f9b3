"""Pages of HTML, by Jinja2 and the templates that lie here: what a template shows is escaped, and
what it was not given is an error.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from lungseg.draw.picture import Picture
from lungseg.report.charts import Axis, Chart
from lungseg.report.charts import densities as densities_chart
from lungseg.report.content import ReportContent
from lungseg.report.pictures import jpeg
from lungseg.report.tables import SHOWN, Densities
from lungseg.report.texts import DENSITIES, EMPHYSEMA, NO_DEVICE, SLIDER, decimals, together
from lungseg.structures import BY_NAME

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = "templates"


def html_page(content: ReportContent) -> str:
    """The report of one input as one page that needs nothing beside it; it opens from a mail and
    loads nothing.
    """
    values = {
        "report": content,
        "no_device": NO_DEVICE,
        "slider": SLIDER,
        "densities": None if content.densities is None else _chart(content.densities),
        "densities_caption": DENSITIES,
    }
    return render("report.html", content.title, values, script="compare.js")


def render(
    template: str,
    title: str,
    values: Mapping[str, Any],
    *,
    script: str = "",
    nearby: bool = False,
) -> str:
    """A whole page with a heading.

    It may load nothing from any other machine, whatever a name in it holds: its content security
    policy knows its own style and its own script, by their hash, and pictures within it.

    Args:
        template: name of a file in `templates/` that extends `page.html`.
        title: plain text.
        values: what the template shows.
        script: name of a file in `templates/` that runs at the end of the page.
        nearby: pictures may also be files in the folder of the page.
    """
    from markupsafe import Markup

    program = _file(script) if script else ""
    hashed = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
    own = f" script-src 'sha256-{hashed}';" if script else ""
    pictures = "data: 'self' file:" if nearby else "data:"
    policy = (
        f"default-src 'none'; img-src {pictures}; style-src 'unsafe-inline';{own} base-uri "
        "'none'; form-action 'none'"
    )
    style, code = Markup(_file("style.css")), Markup(program)  # nosec B704
    frame = {"title": title, "policy": policy, "style": style, "script": code}
    return _environment().get_template(template).render({**values, **frame})


@cache
def _file(name: str) -> str:
    """The text of a file that lies beside the templates."""
    return (files("lungseg.report") / TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lungseg.report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["decimals"] = decimals
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


def _data_uri(picture: Picture) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(picture)).decode()}"


def _chart(found: Densities) -> Chart:
    structures = [BY_NAME[name] for name in found.counts]
    axis = Axis(f"Densities of {together(structures)}", *SHOWN, (-950, EMPHYSEMA))
    colours = {structure.name: structure.colour for structure in structures}
    return densities_chart(found.percent, found.edges, axis, colours)
