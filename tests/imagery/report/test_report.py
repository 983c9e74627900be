"""The report says what the products say, misses nothing silently, and needs nothing but itself."""

import ast
import base64
import html
import json
import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import pytest
from PIL import Image
from pypdf import PdfReader

import imagery.core
import imagery.report
from imagery.core.errors import BadInputError
from imagery.core.grades import GRADE_COLOURS
from imagery.core.language import LANGUAGES, Words, read_catalogue
from imagery.report import ReportFiles, write_report
from imagery.report.content import PARTS, gather
from imagery.report.figures import LAYOUT_NAMES, SHARES, coarse_cells
from imagery.report.gcj02 import wgs84_to_gcj02
from imagery.report.maps import nice_length
from imagery.report.pdf import render_pdf
from imagery.report.source import read_source
from tests.e2e.command import skyrelief
from tests.imagery.report.operation import CRS, files_of, make_operation, write_damage

PACKAGE = Path(imagery.report.__file__).parent
CORE = Path(imagery.core.__file__).parent


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return make_operation(tmp_path_factory.mktemp("work") / "valley & <hill>")


@pytest.fixture(scope="module")
def page(files: ReportFiles, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("out") / "report.html"
    result = write_report(files, out)
    assert result.size_bytes == out.stat().st_size < 5_000_000
    assert (result.missing, result.maps) == ((), 4)
    return out.read_text(encoding="utf-8")


def words_of(page: str) -> str:
    """The page's text as a reader sees it, spaces made plain."""
    body = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(body).replace("\u202f", "'").split())


def test_the_page_needs_nothing_else(page: str) -> None:
    assert not re.findall(r"(?:src|href)=\"(?!data:|#|geo:)", page)
    assert "http" not in re.sub(r'"data:[^"]+"', "", page)
    assert "url(" not in page
    assert "<script" not in page


def test_the_pictures_are_small_jpegs_with_content(page: str) -> None:
    pictures = [base64.b64decode(data) for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", page)]
    assert len(pictures) == 4
    for picture in pictures:
        assert len(picture) <= 350_000
        with Image.open(BytesIO(picture)) as image:
            assert image.size[0] >= 1200
            assert len(image.resize((64, 48)).getcolors(64 * 48) or []) > 100


def test_the_figures_are_those_of_the_products(page: str) -> None:
    text = words_of(page)
    for expected in (
        "Damaged or destroyed 6 of 17 buildings; 1 not analysed",
        "People displaced 1'250 likely 20 to 41",
        "People the sites hold 50 in 10 tents on 1 sites",
        "Rules broken 1 1 could not be checked",
        "No visible damage 7 41.2 % 420 m² 50 %",
        "Destroyed 4 23.5 % 240 m² 50 %",
        "Not analysed 1 5.9 % 60 m² –",
        "1 ✓ 50 10 0.64 ha 3.1 % 0.55 1 · 1 · 1",
        "area 6'400 m² 0.50 0.70 0.350",
        "Gap between <tents> too near ≥ 4.40 m 3 fail UNHCR (not verified)",
        "People Item P10 P50 P90 Unit Code Remark displaced persons 20 1'250 41 persons sampled; a range",
        "family tent 4 7 9 pcs HSHETENTF16C IFRC",
        "solar lamp 4 7 9 pcs Sphere (not verified)",
        "Photos planned 4",
        "Photos taken 3",
        "Camera positions against GPS, E N H 0.80 / 0.70 / 1.20 m",
        "Coordinate system WGS 84 / UTM zone 33N (EPSG:32633)",
        "Photos of 1 May 2026 – 3 May 2026",
        "⚠ wind <unknown> ⚠ few ties in the north",
        "Surface measured 93.1 %",
    ):
        assert expected in text, expected


def test_what_is_uncertain_is_said(page: str) -> None:
    text = words_of(page)
    for expected in (
        "not fitted to this event",
        "1 of 17 buildings could not be analysed",
        "more than one likely grade (90 % sets): 2.",
        "Checked by a person: 1 of 17",
        "2 of the 3 values of the siting standards have not been verified",
        "made on the ground: 1.",
        "Not known to the siting: roads.",
        "No ground control was used",
        "93.1 % of the surface was measured",
        "3 of 4 planned photos were taken",
        "Casualties are not estimated",
    ):
        assert expected in text, expected


def test_a_fitted_grader_is_not_called_unfitted(tmp_path: Path) -> None:
    write_damage(tmp_path / "damage.gpkg", "fitted to 40 labels of this event")
    write_report(files_of(tmp_path), tmp_path / "r.html")
    assert "not fitted" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_names_are_escaped(page: str) -> None:
    assert "<h1>valley &amp; &lt;hill&gt;</h1>" in page


def test_the_same_operation_gives_the_same_page(files: ReportFiles, page: str, tmp_path: Path) -> None:
    write_report(files, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ("plan", "plan"),
        ("flights", "flights"),
        ("stitch", "stitch"),
        ("damage", "damage.gpkg"),
        ("sites", "sites.gpkg"),
        ("needs", "needs.csv"),
    ],
)
def test_a_missing_part_is_named(files: ReportFiles, tmp_path: Path, part: str, path: str) -> None:
    folder = shutil.copytree(files.plan.parent, tmp_path / "op")
    shutil.rmtree(folder / path) if (folder / path).is_dir() else (folder / path).unlink()
    assert read_source(files_of(folder)).missing == (part,)


@pytest.mark.parametrize("part", ["plan", "flights", "stitch", "needs.csv"])
def test_one_part_alone_makes_a_page(files: ReportFiles, tmp_path: Path, part: str) -> None:
    origin = files.plan.parent / part
    (shutil.copytree if origin.is_dir() else shutil.copy)(origin, tmp_path / part)
    result = write_report(files_of(tmp_path), tmp_path / "r.html")
    assert len(result.missing) == len(PARTS) - 1
    text = words_of((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert f"it has not been made yet: {', '.join(PARTS[name] for name in result.missing)}." in text


def test_nothing_to_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="nothing to report on"):
        write_report(files_of(tmp_path), tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("plan/summary.json", b"{", "not readable as JSON"),
        ("plan/plan.geojson", b'{"features": [{"geometry": null}]}', "not a plan"),
        ("plan/plan.geojson", b"[]", "not a JSON object"),
        ("stitch/quality.json", b"\xff", "not readable as JSON"),
        ("stitch/ortho.tif", b"II*\0nothing", "cannot be read as a georeferenced image"),
        ("damage.gpkg", b"no database", "cannot be read"),
        ("sites.gpkg", b"", "cannot be read"),
        ("needs.csv", b"\xff\xfe", "cannot be read"),
        ("flights/flight-01/photos.csv", b"lat,lon\nx,1\n", "line 2: lat is 'x'"),
    ],
)
def test_a_broken_part_is_an_error_that_names_it(
    files: ReportFiles, tmp_path: Path, path: str, content: bytes, message: str
) -> None:
    folder = shutil.copytree(files.plan.parent, tmp_path / "op")
    (folder / path).write_bytes(content)
    with pytest.raises(BadInputError, match=message) as caught:
        write_report(files_of(folder), tmp_path / "r.html")
    assert Path(path).name in str(caught.value)
    assert not (tmp_path / "r.html").exists()


def test_a_package_of_other_things_is_refused(files: ReportFiles, tmp_path: Path) -> None:
    shutil.copy(files.sites, tmp_path / "damage.gpkg")
    with pytest.raises(BadInputError, match=r"has no layer 'builtUpA'; it has .*site"):
        write_report(files_of(tmp_path), tmp_path / "r.html")


def test_no_sites_and_no_buildings_still_make_a_page(tmp_path: Path) -> None:
    empty = gpd.GeoDataFrame({"site_id": []}, geometry=[], crs=CRS)
    empty.to_file(tmp_path / "sites.gpkg", layer="site", driver="GPKG", geometry_type="Polygon")
    none = gpd.GeoDataFrame({"damage_gra": gpd.pd.Series([], dtype=str)}, geometry=[], crs="EPSG:4326")
    none.to_file(tmp_path / "damage.gpkg", layer="builtUpA", driver="GPKG", geometry_type="Polygon")
    write_report(files_of(tmp_path), tmp_path / "r.html")
    assert "No ground in this area meets the standards" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_coarse_reports_hide_buildings_image_and_exact_places(files: ReportFiles, page: str, tmp_path: Path) -> None:
    write_report(files, tmp_path / "r.html", coarsen=True, gcj02=True)
    coarse = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "cells of 100 m" in coarse
    assert "GCJ-02 is what map applications in China show" in coarse
    assert "GCJ-02" not in page
    assert re.search(r'geo:\d+\.\d{6},\d+\.\d{6}"', page)
    assert re.search(r'geo:\d+\.\d{3},\d+\.\d{3}"', coarse)
    # The orthomosaic of the test is noise: a map without it compresses to a fraction.
    sizes = [[len(data) for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", text)] for text in (page, coarse)]
    assert all(bare < 0.5 * full for full, bare in zip(*sizes, strict=True))


def test_coarse_cells_count_every_building_once(files: ReportFiles) -> None:
    buildings = gpd.read_file(files.damage).to_crs(CRS)
    cells = coarse_cells(buildings)
    assert (cells["buildings"].sum(), cells["damaged"].sum()) == (17, 6)
    assert (cells.area == 10_000).all()
    assert (cells.bounds % 100 == 0).all().all()


def test_gcj02_against_published_pairs() -> None:
    # Tian'anmen: a pair that converters give in their documentation.
    lon, lat = wgs84_to_gcj02(116.404, 39.915)
    assert (lon, lat) == pytest.approx((116.41024449916938, 39.91640428150164), abs=1e-7)
    assert wgs84_to_gcj02(13.09, 42.79) == (13.09, 42.79)


@pytest.mark.parametrize(("wanted", "expected"), [(97, 50), (100, 100), (1, 1), (0.3, 0.2), (7, 5), (2300, 2000)])
def test_scale_bars_have_round_lengths(wanted: float, expected: float) -> None:
    assert nice_length(wanted) == pytest.approx(expected)


def keys_in_use() -> set[str]:
    """Every English text that the page may ask a translation of."""
    found = set(re.findall(r'\bt\("([^"]*)"', (PACKAGE / "page.html.j2").read_text(encoding="utf-8")))
    for module in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "words":
                found |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Key":
                found |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    return found | {*GRADE_COLOURS, *SHARES, *LAYOUT_NAMES.values(), *PARTS.values(), "Camera", "Drone"}


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_text_is_translated_with_its_values(language: str) -> None:
    own, shared = (read_catalogue(folder / "languages", language) for folder in (PACKAGE, CORE))
    assert keys_in_use() <= {*own, *shared}
    assert not set(own) & set(shared), "the same text in two catalogues"


def test_a_page_in_another_language(files: ReportFiles, tmp_path: Path) -> None:
    write_report(files, tmp_path / "r.html", language="zh")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<html lang="zh">' in page
    assert ">帐篷安置点</h2>" in page
    for english in ("Summary", "What is uncertain", "No visible damage", "Take-off"):
        assert english not in words_of(page)


def test_an_unknown_language_is_refused(files: ReportFiles, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no language 'de': choose one of en, zh, fr, es"):
        write_report(files, tmp_path / "r.html", language="de")


def test_a_pdf_beside_the_page(files: ReportFiles, tmp_path: Path) -> None:
    result = write_report(files, tmp_path / "r.html", pdf=True, gcj02=True, language="es")
    assert result.pdf == tmp_path / "r.pdf"
    document = result.pdf.read_bytes()
    assert document.startswith(b"%PDF-")
    assert document.count(b"/Subtype /Image") == 4
    assert 3 <= len(re.findall(rb"/Type /Page\b", document)) <= 8


@pytest.mark.parametrize(
    ("language", "heading"), [("zh", "帐篷安置点"), ("fr", "Sites de tentes"), ("es", "Sitios para tiendas")]
)
def test_the_text_of_a_pdf_can_be_read_and_searched(
    files: ReportFiles, tmp_path: Path, language: str, heading: str
) -> None:
    result = write_report(files, tmp_path / "r.html", pdf=True, language=language)
    assert result.pdf is not None
    text = "".join(page.extract_text() for page in PdfReader(result.pdf).pages)
    assert heading in text
    assert files.title in text
    assert "\N{REPLACEMENT CHARACTER}" not in text


def test_the_same_content_gives_the_same_pdf(tmp_path: Path) -> None:
    write_damage(tmp_path / "damage.gpkg")
    words = Words("en")
    content = gather(files_of(tmp_path), words, coarsen=False, gcj02=False)
    assert render_pdf(content, words) == render_pdf(content, words)


def test_what_makes_no_pdf_is_refused_before_any_work(files: ReportFiles, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"give one that ends in \.html"):
        write_report(files, tmp_path / "r.pdf", pdf=True)
    assert list(tmp_path.iterdir()) == []


def test_the_command(files: ReportFiles, tmp_path: Path) -> None:
    folder = files.plan.parent
    done = skyrelief("report", folder, "-o", tmp_path / "r.html", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["maps"], result["missing"]) == (4, [])
    assert result["bytes"] == (tmp_path / "r.html").stat().st_size
    done = skyrelief("report", tmp_path / "missing")
    assert (done.returncode, "no such folder" in done.stderr) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html"]


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# A frame as wide as the screen in question, since Chromium's own window cannot be narrower than 500 pixels.
FRAME = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  const seen = [...page.querySelectorAll("body *")].filter(e => !e.closest(".wide, .frame, svg"));
  const out = seen.filter(e => e.getBoundingClientRect().right > {width} + 0.5);
  const broken = [...page.images].filter(i => !i.naturalWidth);
  document.title = JSON.stringify([page.documentElement.scrollWidth, out.length, broken.length, page.images.length]);
}})</script>"""
QUIET = "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


@pytest.mark.chromium
def test_in_a_browser_nothing_overflows(files: ReportFiles, tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this system")
    write_report(files, tmp_path / "r.html", language="fr", gcj02=True)
    page = html.escape((tmp_path / "r.html").read_text(encoding="utf-8"))
    for width in (360, 1024):
        frame = tmp_path / f"{width}.html"
        frame.write_text(FRAME.format(width=width, page=page), encoding="utf-8")
        done = subprocess.run(
            [
                CHROMIUM, "--headless", "--no-sandbox", *QUIET.split(), f"--user-data-dir={tmp_path / 'profile'}",
                "--window-size=1100,1000", "--dump-dom", frame.as_uri(),
            ],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        title = re.search(r"<title>(.*?)</title>", done.stdout)
        assert title, done.stderr[-2000:]
        scroll_width, overflowing, broken, pictures = json.loads(title[1])
        assert (scroll_width <= width, overflowing, broken, pictures) == (True, 0, 0, 4)
