"""The printed brief: one page per flight, everything on it, in four languages, whatever the plan."""

import ast
import html
import inspect
import json
import re
import shutil
import subprocess
import textwrap
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from pypdf import PdfReader

import planner.brief
from imagery.core.camera import find_camera
from imagery.core.errors import BadInputError
from imagery.core.fonts import text_width
from imagery.core.language import LANGUAGES, SHARED, Words, read_catalogue
from planner import concerns, ground, spec
from planner.app.commands.plan import write_plan
from planner.area import Area
from planner.brief import write_brief
from planner.brief.page import draw_page
from planner.brief.profile import photo_distances
from planner.brief.scene import corners_of, scenes
from planner.brief.sheet import A4_MM, pdf_of
from planner.brief.typeset import MM, shortened, wrapped
from planner.brief.write import LANGUAGE_FOLDER
from planner.drone import find_drone
from planner.formats import plan_geojson
from planner.survey import SurveySpec, plan_survey
from tests.e2e.command import skyrelief

PACKAGE = Path(planner.brief.__file__).parent
U = shapely.Polygon([(0, 0), (9, 0), (9, 9), (6, 9), (6, 3), (3, 3), (3, 9), (0, 9)])
TRANSLATED = sorted(set(LANGUAGES) - {"en"})


def spec_of(shape: shapely.Polygon, metres: float, **changes: Any) -> SurveySpec:
    """A survey of a shape whose unit is `metres`, near Norcia."""
    area = shapely.transform(shape, lambda p: np.array([13.09, 42.79]) + p * metres / np.array([81_900, 111_100]))
    drone = find_drone("dji-mavic-3e")
    options = {"gsd_cm": 3.0, "homes": ((13.0899, 42.7895),), "usable_s": drone.usable_s} | changes
    return SurveySpec(Area("Norcia – Kahramanmaraş", area, None), find_camera(drone.camera), drone, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A concave area in several flights, with a no-fly zone."""
    zone = shapely.transform(
        shapely.Point(1.5, 5).buffer(0.5), lambda p: np.array([13.09, 42.79]) + p * 60 / np.array([81_900, 111_100])
    )
    out = tmp_path_factory.mktemp("brief") / "plan"
    write_plan(plan_survey(spec_of(U, 60, usable_s=8 * 60, no_fly=zone)), out)
    return out


@pytest.fixture(scope="module")
def flights(folder: Path) -> int:
    count = len(plan_geojson.read(folder).flights)
    assert count > 1
    return count


@pytest.fixture(scope="module")
def briefs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, list[str]]]:
    """By language: the HTML, and the text of every page of the PDF."""
    found = {}
    for language in LANGUAGES:
        out = tmp_path_factory.mktemp(language)
        result = write_brief(folder, out, language=language, pdf=True)
        assert result.pdf is not None
        pages = [page.extract_text() for page in PdfReader(result.pdf).pages]
        found[language] = result.path.read_text(encoding="utf-8"), pages
    return found


def plain(text: str) -> str:
    """Text without any space: how an extractor breaks lines does not matter."""
    return re.sub(r"\s+", "", text)


def texts_of(page: str) -> list[str]:
    """The lines of text of an HTML brief."""
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>(.*?)</text>", page, re.DOTALL)]


def test_one_page_for_each_flight(briefs: dict[str, tuple[str, list[str]]], flights: int) -> None:
    for page, pdf in briefs.values():
        assert page.count("<main>") == len(pdf) == flights


def test_the_page_needs_nothing_else(briefs: dict[str, tuple[str, list[str]]]) -> None:
    for page, _ in briefs.values():
        assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
        assert not re.findall(r"url\((?!#|data:)", page)
        assert "<script" not in page


def test_html_and_pdf_say_the_same(briefs: dict[str, tuple[str, list[str]]]) -> None:
    for page, pdf in briefs.values():
        words = plain("".join(pdf))
        for text in texts_of(page):
            assert plain(text) in words, text


def test_the_figures_are_those_of_the_plan(folder: Path, briefs: dict[str, tuple[str, list[str]]]) -> None:
    plan = plan_geojson.read(folder)
    for flight, page in zip(plan.flights, briefs["en"][1], strict=True):
        words = plain(page)
        expected = [
            "Norcia–Kahramanmaraş", f"Flight {flight.number} of {len(plan.flights)}", f"{flight.duration_s / 60:.1f}min",
            f"{flight.duration_s / (8 * 60) * 100:.0f}%", "of 8.0 min usable", f"{flight.photo_agl_m[0]:.0f}m",
            f"Memory card: room for {len(flight.photos)} photos", f"Mission of flight {flight.number} loaded",
            "DJI Mavic 3 Enterprise", "beyond visual line of sight", "Not flown over", "42.789500", "13.089900",
            f"{plan.trigger_m:.1f}m", "75/70%", "Return height above home", "UTM 33T",
        ]  # fmt: skip
        for text in expected:
            assert plain(text) in words, text


def test_coordinates_are_right(folder: Path) -> None:
    scene = scenes(plan_geojson.read(folder))[0]
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    for place in (scene.home, *scene.rally, *scene.corners):
        assert to_utm.transform(place.lon_deg, place.lat_deg) == pytest.approx(
            (place.easting_m, place.northing_m), abs=0.01
        )
    assert len(scene.corners) == 8
    outline = shapely.Polygon([(place.x, place.y) for place in scene.corners])
    assert shapely.hausdorff_distance(outline, shapely.Polygon(scene.plan.area.exterior)) < 2


@pytest.mark.parametrize("language", TRANSLATED)
def test_everything_is_translated(briefs: dict[str, tuple[str, list[str]]], language: str) -> None:
    own, english = read_catalogue(LANGUAGE_FOLDER, language), set(texts_of(briefs["en"][0]))
    shared = read_catalogue(SHARED, language)
    same = {key for catalogue in (own, shared) for key, text in catalogue.items() if key == text}
    names = {"Norcia – Kahramanmaraş"} | {text for text in english if "DJI" in text}
    left = set(texts_of(briefs[language][0])) & english - same - names
    assert not [text for text in left if re.search(r"[a-z]{3}", text.removesuffix("min"))]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_of_the_code_is_in_the_catalogue(language: str) -> None:
    known = {*read_catalogue(LANGUAGE_FOLDER, language), *read_catalogue(SHARED, language)}
    calls = [
        node
        for module in PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "words"
    ]
    asked = {node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)}
    assert len(asked) > 50
    assert asked <= known
    assert set(read_catalogue(LANGUAGE_FOLDER, language)) <= asked | constants()


def constants() -> set[str]:
    """Every string constant of the package: texts that are translated by a variable are among them."""
    return {
        node.value
        for module in PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def warnings_of(function: Any) -> list[str]:
    """The sentences that a function appends to its list or returns in one, with a number for each value in them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    given = [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append"
    ]
    given += [
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.List)
        for text in node.value.elts
    ]
    return [
        "".join(
            str(part.value) if isinstance(part, ast.Constant) else "7.5" for part in getattr(text, "values", [text])
        )
        for text in given
    ]


@pytest.mark.parametrize("function", [spec.pace, concerns.concerns, ground.height_concerns, ground.overlap_concerns])
def test_every_warning_of_the_planner_has_its_translation(function: Any) -> None:
    found = warnings_of(function)
    assert len(found) >= 3
    for text in found:
        for language in TRANSLATED:
            assert Words(language).sentence(text) != text, f"imagery/core/languages/{language}.toml lacks: {text}"


def test_warnings_of_real_plans_are_translated() -> None:
    warnings = [
        *plan_survey(spec_of(U, 60, gsd_cm=4.0, homes=(), usable_s=np.inf)).warnings,
        *plan_survey(spec_of(U, 60, speed_m_s=50.0, wind_m_s=14.0)).warnings,
    ]
    assert len({re.sub(r"[\d.]+", "", text) for text in warnings}) >= 5
    for text in warnings:
        for language in TRANSLATED:
            assert Words(language).sentence(text) != text, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_leading_figures_are_never_cut(briefs: dict[str, tuple[str, list[str]]], language: str) -> None:
    cut = [text for text in texts_of(briefs[language][0]) if text.endswith("…") and not text.endswith("° …")]
    assert not [text for text in cut if "summary.json" not in text]  # courses of many lines are named but for some


def placed(sheet: Any) -> list[tuple[str, shapely.Polygon]]:
    """The texts of a sheet with the rectangles in which they are drawn, in millimetres with y upwards."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(sheet.figure)
    renderer, scale = canvas.get_renderer(), MM  # at 72 dots an inch, a point is a dot
    return [
        (
            text.get_text(),
            shapely.affinity.scale(shapely.box(*text.get_window_extent(renderer).extents), scale, scale, origin=(0, 0)),
        )
        for text in sheet.figure.axes[0].texts
        if text.get_text()
    ]


def troubled(folder: Path, tmp_path: Path, warnings: list[str], name: str = "x") -> Path:
    """A copy of a plan with other warnings and another name."""
    out = shutil.copytree(folder, tmp_path / "troubled")
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    summary["warnings"], summary["request"]["area"] = warnings, name
    (out / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return out


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_overflows_or_overlaps_with_long_names_and_many_warnings(
    folder: Path, tmp_path: Path, language: str
) -> None:
    warnings = [
        f"warning number {k}: " + "what may happen here needs many words to say; " * (1 + k % 4) for k in range(30)
    ]
    out = troubled(
        folder, tmp_path, warnings, "Kreisfreie Stadt Schwäbisch Gmünd " * 6 + "汶川县映秀镇" * 20 + "x" * 200
    )
    scene = scenes(plan_geojson.read(out))[0]
    words = Words(language, LANGUAGE_FOLDER)
    sheet = draw_page(scene, words)
    paper = shapely.box(0, 0, *A4_MM)
    texts = placed(sheet)
    for text, place in texts:
        assert paper.buffer(-4).contains(place), text
    # Below the map's frame no text lies on another; on the map itself numbers find room by themselves.
    lines = [(text, place.buffer(-0.35)) for text, place in texts if place.bounds[3] - place.bounds[1] < 6]
    lines = [(text, place) for text, place in lines if len(text) > 4]
    for k, (text, place) in enumerate(lines):
        for other, where in lines[:k]:
            assert not place.intersects(where), (text, other)
    everything = "".join(page.extract_text() for page in PdfReader(BytesIO(pdf_of([sheet], "x", language))).pages)
    shown = sum(f"arning number {k}:" in everything for k in range(30))
    assert shown >= 1
    assert shown == 30 or plain(words("… and {count} more, in summary.json", count=30 - shown)) in plain(everything)


@pytest.mark.parametrize(("width", "height"), [(12, 1), (1, 12), (3, 3), (0.4, 0.4)])
def test_areas_of_every_shape_and_size(tmp_path: Path, width: float, height: float) -> None:
    spec = spec_of(shapely.box(0, 0, width, height), 100, usable_s=np.inf)
    write_plan(plan_survey(spec), tmp_path / "plan")
    result = write_brief(tmp_path / "plan", tmp_path / "b.html", pdf=True)
    assert result.pdf is not None
    assert len(PdfReader(result.pdf).pages) == 1


def test_the_same_plan_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    results = [write_brief(folder, tmp_path / name / "b.html", language="zh", pdf=True) for name in ("first", "second")]
    for suffix in (".html", ".pdf"):
        first, second = (result.path.with_suffix(suffix).read_bytes() for result in results)
        assert first == second


def test_without_missions_the_fence_is_not_made_up(folder: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(folder, tmp_path / "bare")
    for path in bare.glob("*.plan"):
        path.unlink()
    scene = scenes(plan_geojson.read(bare))[0]
    assert scene.fence.is_empty
    write_brief(bare / "plan.geojson", tmp_path / "b.html")
    assert "Fence</text>" not in (tmp_path / "b.html").read_text(encoding="utf-8")


def test_photos_are_found_along_the_path(folder: Path) -> None:
    plan = plan_geojson.read(folder)
    for flight in plan.flights:
        along = photo_distances(flight)
        assert (np.diff(along) > 0).all()
        flown = np.r_[0, np.cumsum(np.hypot(*np.diff(flight.path[:, :2], axis=0).T))]
        for axis in (0, 1):
            assert np.interp(along, flown, flight.path[:, axis]) == pytest.approx(flight.photos[:, axis], abs=0.3)


def test_corners_of_a_coastline_are_few() -> None:
    coast = shapely.Point(0, 0).buffer(500, quad_segs=2000)
    found = corners_of(coast, 12)
    assert 4 <= len(found) <= 12
    assert shapely.Polygon(found).intersection(coast).area > 0.9 * coast.area


@pytest.mark.parametrize(
    "text", ["one two three " * 9, "航线与起飞点之间的距离,超过目视范围。" * 5, "x" * 90, "résolution (汶川) " * 9]
)
def test_wrapped_lines_fit_and_lose_nothing(text: str) -> None:
    lines = wrapped(text, 40.0, 7.0)
    assert len(lines) > 1
    assert all(text_width(line, 7.0) * MM <= 40 for line in lines)
    assert plain("".join(lines)) == plain(text)
    assert not [line for line in lines if line[0] in "\uff0c\u3002"]
    assert text_width(shortened(text, 40.0, 7.0), 7.0) * MM <= 40


def test_what_cannot_be_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"give one that ends in \.html, and --pdf"):
        write_brief(folder, tmp_path / "b.pdf")
    with pytest.raises(BadInputError, match="there is no language 'de'"):
        write_brief(folder, tmp_path / "b.html", language="de")
    with pytest.raises(BadInputError, match="nowhere"):
        write_brief(tmp_path / "nowhere", tmp_path / "b.html")
    assert list(tmp_path.iterdir()) == []


def test_the_command(folder: Path, flights: int, tmp_path: Path) -> None:
    done = skyrelief("brief", folder, "-o", tmp_path / "out", "--language", "fr", "--pdf", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["flights"] == flights
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["brief.html", "brief.pdf"]


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "--disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"


@pytest.mark.chromium
def test_a_browser_prints_one_page_for_each_flight(folder: Path, flights: int, tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this system")
    write_brief(folder, tmp_path / "b.html", language="zh")
    subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", *QUIET.split(), f"--user-data-dir={tmp_path / 'profile'}",
            "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'printed.pdf'}", (tmp_path / "b.html").as_uri(),
        ],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    pages = PdfReader(tmp_path / "printed.pdf").pages
    assert len(pages) == flights
    for number, page in enumerate(pages, 1):
        assert [float(side) / 72 * 25.4 for side in page.mediabox[2:]] == pytest.approx(A4_MM, abs=1)
        assert f"第{number}架次" in plain(page.extract_text())
