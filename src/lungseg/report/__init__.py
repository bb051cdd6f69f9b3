"""What was found, to read and to send on: a report of one input as HTML or PDF, and the index of a
folder of results.
"""

from __future__ import annotations

from typing import Any

from lungseg.report.content import Study, study_again, study_of
from lungseg.report.files import ENDINGS, Kind, Reported, report_folder, write_index, write_reports
from lungseg.report.html import html_page
from lungseg.report.index import INDEX, THUMBNAILS
from lungseg.report.pdf import check_reportlab, pdf_page
from lungseg.result import Result

__all__ = [
    "ENDINGS",
    "INDEX",
    "THUMBNAILS",
    "Kind",
    "Reported",
    "Study",
    "check_reportlab",
    "html_page",
    "page",
    "pdf",
    "pdf_page",
    "report_folder",
    "study_again",
    "study_of",
    "write_index",
    "write_reports",
]


def page(result: Result[Any], *, name: str | None = None, identify: bool = False) -> str:
    """The report of a result as one HTML page that needs nothing beside it.

    Args:
        result: of a radiograph or a CT.
        name: what the report calls the input; its file's name without ending where not given.
        identify: show the file's path, and patient's name and ID where the file is DICOM.
    """
    return html_page(study_of(result, name=name, identify=identify))


def pdf(result: Result[Any], *, name: str | None = None, identify: bool = False) -> bytes:
    """The same report as PDF; arguments as for `page`.

    Raises:
        UsageError: reportlab is not installed (the extra "pdf").
    """
    return pdf_page(study_of(result, name=name, identify=identify))
