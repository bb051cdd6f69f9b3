"""What was found, to read and to send on: a report of one input as HTML or PDF, and the index of a
folder of results.
"""

from __future__ import annotations

from typing import Any

from lungseg.report.content import ReportContent, content_again, content_of
from lungseg.report.files import (
    ENDINGS,
    Reported,
    ReportFormat,
    report_folder,
    write_index,
    write_reports,
)
from lungseg.report.html import html_page, render
from lungseg.report.index import INDEX, THUMBNAILS
from lungseg.report.pdf import check_reportlab, has_reportlab, pdf_page
from lungseg.result import Result

__all__ = [
    "ENDINGS",
    "INDEX",
    "THUMBNAILS",
    "ReportContent",
    "ReportFormat",
    "Reported",
    "check_reportlab",
    "content_again",
    "content_of",
    "has_reportlab",
    "html_page",
    "pdf_page",
    "render",
    "report_folder",
    "to_html",
    "to_pdf",
    "write_index",
    "write_reports",
]


def to_html(result: Result[Any], *, name: str | None = None, show_identity: bool = False) -> str:
    """The report of a result as one HTML page that needs nothing beside it.

    Args:
        result: of a radiograph or a CT.
        name: what the report calls the input; its file's name without ending where not given.
        show_identity: show the file's path, and patient's name and ID where the file is DICOM.
    """
    return html_page(content_of(result, name=name, show_identity=show_identity))


def to_pdf(result: Result[Any], *, name: str | None = None, show_identity: bool = False) -> bytes:
    """The same report as PDF; arguments as for `to_html`.

    Raises:
        UsageError: reportlab is not installed (the extra "pdf").
    """
    return pdf_page(content_of(result, name=name, show_identity=show_identity))
