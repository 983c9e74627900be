"""One flight on one page of A4: what is known of it arranged so that all fits, in two arrangements by the shape of the map."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import shapely

from imagery.core.fonts import text_width
from imagery.core.language import Words
from planner.brief.blocks import Block, Bullets, Coordinates, Fields, Picture, Rows, column_height, draw_column
from planner.brief.chart import LABELS_MM, LEGEND_MM, draw_locator, draw_map, extent, scale_of, shows_all
from planner.brief.facts import Facts, Tile, facts_of
from planner.brief.profile import draw_profile
from planner.brief.scene import Scene
from planner.brief.sheet import A4_MM, GREY, INK, Box, Sheet
from planner.brief.typeset import MM, shortened, wrapped

__all__ = ["draw_page"]

MARGIN, GUTTER = 10.0, 6.0
WIDTH = A4_MM[0] - 2 * MARGIN
HALF = (WIDTH - GUTTER) / 2
TOP, TILES_MM, FOOT = 23.5, 13.5, A4_MM[1] - 9.0
BODY = TOP + TILES_MM + 2.0
SIZES = (7.6, 7.3, 7.0, 6.7, 6.4)  # of the text, the largest that fits is taken
PROFILE_MM, LOCATOR_MM = 19.0, 24.0
LOWEST_MAP_MM, FLATTEST_MAP_MM = 92.0, 60.0  # where there is more to see; where the flight is long and narrow
TALL_MAPS_MM = (106.0, 112.0, 118.0)
MAP_EDGES_MM, UNLIMITED_MM = LEGEND_MM + LABELS_MM, 1e6
GAP = 3.0
WIDE_COLUMNS = (  # below a map of the whole width; whichever is the shorter
    (("rows", "coordinates", "locator", "profile"), ("warnings", "checks", "emergency", "calls")),
    (("rows", "coordinates", "emergency", "calls"), ("warnings", "checks", "locator", "profile")),
)
LONGEST_WARNING = 3  # lines, where warnings are many
MOST_NOTES = 8
FEWEST_CORNERS = 3


@dataclass(frozen=True, slots=True)
class _Arrangement:
    """Where everything goes: the map, and columns of blocks with the place of each column."""

    size: float
    map: Box
    columns: tuple[tuple[float, float, float, tuple[Block, ...]], ...]  # x, y, width, blocks


def draw_page(scene: Scene, words: Words) -> Sheet:
    """The page of a flight."""
    facts, sheet = facts_of(scene, words), Sheet()
    _head(sheet, facts)
    _tiles(sheet, facts.tiles)
    arrangement = _arranged(scene, facts, words)
    draw_map(sheet, arrangement.map, scene, words)
    for x, y, width, blocks in arrangement.columns:
        draw_column(sheet, blocks, x, y, width, arrangement.size)
    _foot(sheet, scene, words)
    return sheet


def _arranged(scene: Scene, facts: Facts, words: Words) -> _Arrangement:
    """The best that fits all; where nothing does, the first that fits with less."""

    def worth(found: _Arrangement) -> float:
        return found.size * scale_of(scene, found.map.width, found.map.height)

    whole = [found for size in SIZES for found in _fitting(scene, facts, words, size)]
    if whole:
        return max(whole, key=worth)
    for shown in _ever_less(scene, facts, words):
        if fitting := _fitting(scene, shown, words, SIZES[-1]):
            return max(fitting, key=worth)
    raise AssertionError("a page with one warning and few corners has room for its map")


def _fitting(scene: Scene, facts: Facts, words: Words, size: float) -> list[_Arrangement]:
    """Every way to arrange a page, by the width of its map, in which all has room."""
    found = [
        *(_wide(scene, facts, words, size, columns) for columns in WIDE_COLUMNS),
        *(_tall(scene, facts, words, size, width) for width in TALL_MAPS_MM),
    ]
    return [arrangement for arrangement in found if arrangement]


def _ever_less(scene: Scene, facts: Facts, words: Words) -> Iterator[Facts]:
    """Texts from all to what surely fits: fewer corners, then fewer warnings.

    What is left out of the warnings is counted on the page.
    """
    fewest = 1 + len(scene.rally) + FEWEST_CORNERS
    for count in range(len(facts.places) - 1, fewest - 1, -1):
        yield replace(facts, places=facts.places[:count])
    few = replace(facts, places=facts.places[:fewest])
    for count in range(len(facts.warnings) - 1, -1, -1):
        left_out = words("… and {count} more, in summary.json", count=len(facts.warnings) - count)
        warnings = [" ".join(wrapped(text, HALF, SIZES[-1])[:LONGEST_WARNING]) for text in facts.warnings[:count]]
        yield replace(few, warnings=[*warnings, left_out])


def _wide(
    scene: Scene, facts: Facts, words: Words, size: float, columns: tuple[tuple[str, ...], ...]
) -> _Arrangement | None:
    """The map over the whole width, two columns below it."""
    left, right = _chosen(scene, facts, words, *columns)
    below = max(column_height(left, HALF, size), column_height(right, HALF, size))
    record = Fields("", facts.record, columns=3)
    strip = record.height(WIDTH, size)
    room = FOOT - strip - below - BODY
    needed = _height_needed(scene, WIDTH)
    if room < min(needed, LOWEST_MAP_MM):
        return None
    height = min(room, needed)
    top, bottom = BODY + height + GAP, FOOT - strip
    return _Arrangement(
        size,
        Box(MARGIN, BODY, WIDTH, height),
        (
            (MARGIN, top, HALF, _filled(left, HALF, bottom - top, size, words)),
            (MARGIN + HALF + GUTTER, top, HALF, _filled(right, HALF, bottom - top, size, words)),
            (MARGIN, bottom, WIDTH, (record,)),
        ),
    )


def _tall(scene: Scene, facts: Facts, words: Words, size: float, across: float) -> _Arrangement | None:
    """The map on the left, a column beside it, two below."""
    side = WIDTH - across - GUTTER
    beside, left, right = _chosen(
        scene,
        facts,
        words,
        ("warnings", "rows", "coordinates", "locator"),
        ("emergency", "calls", "profile"),
        ("checks",),
    )
    below = max(column_height(left, HALF, size), column_height(right, HALF, size))
    record = Fields("", facts.record, columns=3)
    strip = record.height(WIDTH, size)
    height = FOOT - strip - below - BODY - GAP
    if height < max(column_height(beside, side, size), LOWEST_MAP_MM):
        return None
    top, bottom = BODY + height + GAP, FOOT - strip
    return _Arrangement(
        size,
        Box(MARGIN, BODY, across, height),
        (
            (MARGIN + across + GUTTER, BODY, side, _filled(beside, side, height, size, words)),
            (MARGIN, top, HALF, _filled(left, HALF, bottom - top, size, words)),
            (MARGIN + HALF + GUTTER, top, HALF, _filled(right, HALF, bottom - top, size, words)),
            (MARGIN, bottom, WIDTH, (record,)),
        ),
    )


def _height_needed(scene: Scene, width: float) -> float:
    """The height beyond which a map of a width shows nothing more."""
    _, south, _, north = extent(scene)
    return max(FLATTEST_MAP_MM, (north - south) * scale_of(scene, width, UNLIMITED_MM) + MAP_EDGES_MM)


def _chosen(scene: Scene, facts: Facts, words: Words, *columns: tuple[str, ...]) -> list[list[Block]]:
    """The blocks of columns by their names, as far as this flight has them."""
    blocks = _blocks(scene, facts, words)
    return [[blocks[name] for name in names if name in blocks] for names in columns]


def _blocks(scene: Scene, facts: Facts, words: Words) -> dict[str, Block]:
    names = (words("latitude"), words("longitude"), words("east m"), words("north m"))
    blocks: dict[str, Block] = {
        "rows": Rows(words("Plan"), facts.rows),
        "coordinates": Coordinates(words("Coordinates: WGS 84 and {grid}", grid=scene.zone), names, facts.places),
        "checks": Bullets(words("Before take-off"), facts.checks, boxed=True),
        "emergency": Bullets(words("In an emergency"), facts.emergency),
        "calls": Fields("", facts.calls),
    }
    if facts.warnings:
        blocks["warnings"] = Bullets(words("Warnings"), facts.warnings, strong=True)
    if not shows_all(scene):
        blocks["locator"] = Picture(
            words("Where in the area"), LOCATOR_MM, lambda sheet, box: draw_locator(sheet, box, scene)
        )
    if scene.terrain_known:
        head = words("Path and ground above sea level")
        blocks["profile"] = Picture(head, PROFILE_MM, lambda sheet, box: draw_profile(sheet, box, scene, words))
    return blocks


def _filled(blocks: list[Block], width: float, height: float, size: float, words: Words) -> tuple[Block, ...]:
    """The blocks, and lines for notes where room is left below them."""
    notes = Fields(words("Notes"), [""])
    lines = int((height - column_height(blocks, width, size) - notes.height(width, size)) // notes.step_mm) + 1
    return (*blocks, replace(notes, names=[""] * min(lines, MOST_NOTES))) if lines >= 2 else tuple(blocks)


def _head(sheet: Sheet, facts: Facts) -> None:
    right = MARGIN + WIDTH
    sheet.text(MARGIN, 12.2, facts.kind, 8.5, bold=True, colour=GREY)
    sheet.text(right, 12.2, shortened(facts.equipment, WIDTH * 0.7, 8.5), 8.5, colour=GREY, align="right")
    sheet.text(right, 19.4, facts.flight, 15, bold=True, align="right")
    room = WIDTH - text_width(facts.flight, 15, bold=True) * MM - 6
    sheet.text(MARGIN, 19.4, shortened(facts.title, room, 15, bold=True), 15, bold=True)
    sheet.line([(MARGIN, 21.6), (right, 21.6)], INK, 1.2)


def _tiles(sheet: Sheet, tiles: Sequence[Tile]) -> None:
    across = WIDTH / len(tiles)
    for k, tile in enumerate(tiles):
        x, room = MARGIN + k * across, across - 2.5
        if k:
            sheet.line([(x - 1.6, TOP), (x - 1.6, TOP + TILES_MM - 1.5)], GREY, 0.4)
        sheet.text(x, TOP + 2.6, shortened(tile.name, room, 6.8), 6.8, colour=GREY)
        sheet.text(x, TOP + 7.9, shortened(tile.value, room, 13, bold=True), 13, bold=True)
        sheet.text(x, TOP + 11.2, shortened(tile.note, room, 6.2), 6.2, colour=GREY)
        if tile.share is not None:
            bar = Box(x, TOP + 12.1, room, 1.0)
            sheet.box(bar, edge=INK, width_pt=0.4)
            sheet.shape(shapely.box(x, bar.y, x + room * min(tile.share, 1.0), bar.bottom), INK)


def _foot(sheet: Sheet, scene: Scene, words: Words) -> None:
    y = A4_MM[1] - 5.4
    text = words(
        "Prepared with SkyRelief from the plan's own files. Heights in metres, true north, WGS 84. Not a permission to fly."
    )
    sheet.text(MARGIN, y, shortened(text, WIDTH - 20, 6), 6, colour=GREY)
    sheet.text(MARGIN + WIDTH, y, f"{scene.flight.number} / {len(scene.plan.flights)}", 6, colour=GREY, align="right")
