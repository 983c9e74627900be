"""Write an operation's report: the page, and the PDF where it is asked for."""

from dataclasses import dataclass
from pathlib import Path

from imagery.core.errors import BadInputError
from imagery.core.files import atomic_path, write_text
from imagery.core.language import Words
from imagery.core.progress import SILENT, Progress
from imagery.report.content import gather
from imagery.report.page import render_page
from imagery.report.pdf import check_pdf, render_pdf
from imagery.report.source import ReportFiles

__all__ = ["ReportResult", "write_report"]

LANGUAGE_FOLDER = Path(__file__).parent / "languages"


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What was written: the page, the PDF if any, the page's size in bytes, the parts that the operation lacks, how many maps and
    statements of uncertainty."""

    path: Path
    pdf: Path | None
    size_bytes: int
    missing: tuple[str, ...]
    maps: int
    uncertainties: int


def write_report(
    files: ReportFiles,
    out: str | Path,
    *,
    language: str = "en",
    coarsen: bool = False,
    gcj02: bool = False,
    pdf: bool = False,
    progress: Progress = SILENT,
) -> ReportResult:
    """Write the report of an operation as one HTML file, and with `pdf` as a PDF of the same name beside it.

    language: en, zh, fr or es; coarsen: 100 m cells instead of buildings, no image, coordinates to 100 m; gcj02: a column of the
    coordinates that Chinese map applications show. Raises BadInputError when there is nothing to report or a product is broken.
    """
    words = Words(language, LANGUAGE_FOLDER)
    out = Path(out)
    if pdf:
        check_pdf()
        if out.suffix.lower() == ".pdf":
            raise BadInputError(f"{out}: is the page's name, and the PDF goes beside it: give one that ends in .html")
    content = gather(files, words, coarsen=coarsen, gcj02=gcj02, progress=progress)
    text = render_page(content, words)
    beside = out.with_suffix(".pdf") if pdf else None
    if beside:
        with progress.stage("PDF"), atomic_path(beside) as temporary:
            temporary.write_bytes(render_pdf(content, words))
    write_text(out, text)
    return ReportResult(out, beside, len(text.encode()), content.missing, content.maps, len(content.uncertain))
