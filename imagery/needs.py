"""Displaced persons from graded buildings, as a range, and what to order for them.

A building displaces its occupants with the probability that its damage is major or worse. Nothing here estimates
casualties: the published rates have no source that would bear it.
"""

import csv
import io
import math
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from imagery.core.files import write_text
from imagery.core.frame import utm_crs
from imagery.core.progress import SILENT, Progress

__all__ = ["Displaced", "Need", "Needs", "Shelter", "compute_needs", "displaced_persons", "read_buildings"]

TABLE = Path(__file__).with_name("needs.toml")
PROBABILITIES = ["p0", "p1", "p2", "p3"]
DISPLACING_GRADES = 2  # major and destroyed
SAMPLES = 4000
GRADES = {"no-damage": 0, "minor-damage": 1, "major-damage": 2, "destroyed": 3}
RESIDENTIAL = ("residential", "house", "apartments", "dwelling", "yes", "unknown", "")


@dataclass(frozen=True, slots=True)
class Displaced:
    """Attributes: p10, p50, p90: displaced persons; buildings: analysed residential ones; unknown_buildings and
    unknown_persons: not analysed, in none of the other figures."""

    p10: int
    p50: int
    p90: int
    buildings: int
    occupants: int
    unknown_buildings: int
    unknown_persons: int


@dataclass(frozen=True, slots=True)
class Need:
    """One line of needs.csv: quantities for the three figures of displaced persons, and what is ordered.

    Attributes: section: people, order, service, freight or site; code: blank unless verified; verified: of the amount.
    """

    section: str
    item: str
    p10: int
    p50: int
    p90: int
    unit: str
    code: str = ""
    code_verified: str = ""
    source: str = ""
    verified: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shelter:
    """What proposed sites offer: persons, tents, least gap between tents, firebreaks, lamps along ways and at services."""

    persons: int
    tents: int
    gap_m: float
    firebreaks: int
    lamps: int
    cold: bool


@dataclass(frozen=True, slots=True)
class Needs:
    """The answer: how many, and the lines."""

    displaced: Displaced
    shelter: Shelter | None
    lines: list[Need]

    def to_json(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def compute_needs(
    damage: str | Path,
    sites: str | Path | None = None,
    *,
    household_persons: float | None = None,
    m2_per_person: float | None = None,
    seed: int = 0,
    out: str | Path,
    progress: Progress = SILENT,
) -> Needs:
    """Estimate the displaced, list what they need, and write the list as CSV.

    Args:
        damage: graded buildings (layer builtUpA). sites: sites.gpkg, for what its sites house and their real gaps.
        household_persons: persons for a building whose size is unknown. m2_per_person: floor area for each occupant.

    Raises:
        BadInputError: no graded buildings in the file, or a figure that cannot be.
    """
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    occupancy = table["occupancy"]
    household = household_persons if household_persons is not None else occupancy["household_persons"]
    floor = m2_per_person if m2_per_person is not None else occupancy["m2_per_person"]
    if not (0 < household <= 50 and 1 <= floor <= 500):
        raise BadInputError(f"household of {household:g} persons or {floor:g} m2 for each person: give a likely figure")
    with progress.stage("needs", 3, "steps") as advance:
        buildings = read_buildings(damage)
        advance(1)
        persons = occupants(buildings, household, floor, occupancy["storey_m"])
        displaced = displaced_persons(probabilities(buildings), persons, occupancy["spread"], seed)
        advance(1)
        shelter = None if sites is None else read_shelter(sites)
        lines = _lines(displaced, shelter, table)
        write_needs(lines, out)
        advance(1)
    return Needs(displaced, shelter, lines)


def read_buildings(damage: str | Path) -> gpd.GeoDataFrame:
    """The residential buildings of a damage file, in a metric CRS; those without a stated use count as residential."""
    path = Path(damage)
    if not path.exists():
        raise BadInputError(f"{path}: there is no such file")
    try:
        layers = [name for name, _ in pyogrio.list_layers(path)]
        frame = gpd.read_file(path, layer="builtUpA" if "builtUpA" in layers else layers[0])
    except Exception as error:  # pyogrio raises its own and GDAL's errors
        raise BadInputError(f"{path}: not a GIS file that can be read ({error})") from None
    if not isinstance(frame, gpd.GeoDataFrame) or frame.crs is None:
        raise BadInputError(f"{path}: holds no geometries with a coordinate reference system")
    if not set(PROBABILITIES) <= set(frame.columns) and "jds_grade" not in frame:
        raise BadInputError(f"{path}: has neither the columns p0..p3 nor jds_grade; `skyrelief damage` writes them")
    frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
    for column in ("use", "building", "obj_type"):
        if column in frame:
            use = frame[column].fillna("").astype(str).str.lower()
            if use.isin(RESIDENTIAL).any():
                frame = frame[use.isin(RESIDENTIAL)]
            break
    if len(frame) and not frame.crs.is_projected:
        west, south, east, north = frame.total_bounds
        frame = frame.to_crs(utm_crs((west + east) / 2, (south + north) / 2))
    return frame.reset_index(drop=True)


def probabilities(buildings: gpd.GeoDataFrame) -> NDArray[np.float64]:
    """Probability of being displaced, major or destroyed, for each building; NaN where not analysed. A reviewer's grade
    counts as certain."""
    count = len(buildings)
    graded = np.full(count, np.nan)
    if set(PROBABILITIES) <= set(buildings.columns):
        table = buildings[PROBABILITIES].to_numpy(float)
        total = table.sum(axis=1)
        graded = np.where(total > 0, table[:, DISPLACING_GRADES:].sum(axis=1) / np.where(total > 0, total, 1), np.nan)
    named = _grades(buildings, "jds_grade")
    if not set(PROBABILITIES) <= set(buildings.columns):
        graded = np.where(np.isnan(named), np.nan, named >= DISPLACING_GRADES)
    elif "jds_grade" in buildings:
        graded = np.where(np.isnan(named), np.nan, graded)
    reviewed = _grades(buildings, "reviewed_grade")
    return np.where(np.isnan(reviewed), graded, reviewed >= DISPLACING_GRADES)


def _grades(buildings: gpd.GeoDataFrame, column: str) -> NDArray[np.float64]:
    """Grades 0-3 as numbers; NaN for un-classified and missing ones."""
    if column not in buildings:
        return np.full(len(buildings), np.nan)
    found = np.full(len(buildings), np.nan)
    for k, value in enumerate(buildings[column]):
        text = "" if value is None else str(value).strip().lower()
        if text in GRADES:
            found[k] = GRADES[text]
        elif text[:1] in "0123" and text.replace(".0", "") in ("0", "1", "2", "3"):
            found[k] = float(text)
    return found


def occupants(
    buildings: gpd.GeoDataFrame, household_persons: float, m2_per_person: float, storey_m: float
) -> NDArray[np.float64]:
    """Persons in each building: the user's figure, else footprint x floors / floor area per person, else one household."""
    area = buildings.geometry.area.to_numpy(float)
    floors = _numbers(buildings, "floors")
    for column in ("pre_height_m", "height_m"):
        floors = np.where(np.isnan(floors), np.round(_numbers(buildings, column) / storey_m), floors)
    floors = np.where(np.isnan(floors), 1, floors).clip(1, 60)
    estimated = np.where(area >= m2_per_person, area * floors / m2_per_person, household_persons)
    for column in ("occupants", "persons"):
        given = _numbers(buildings, column)
        estimated = np.where(np.isnan(given), estimated, given.clip(0))
    return estimated


def _numbers(frame: gpd.GeoDataFrame, column: str) -> NDArray[np.float64]:
    if column not in frame:
        return np.full(len(frame), np.nan)
    values = np.array([np.nan if value is None else value for value in frame[column]], object)
    try:
        return values.astype(float)
    except ValueError:
        raise BadInputError(f"column {column}: {values[0]!r} is not a number") from None


def displaced_persons(
    probability: NDArray[np.float64], persons: NDArray[np.float64], spread: float, seed: int
) -> Displaced:
    """Percentiles of the displaced, from sampled damage of each building and a sampled occupancy common to all.

    Args:
        probability: (n,) of major or worse, NaN where not analysed. persons: (n,). spread: of the common occupancy factor.
    """
    known = np.isfinite(probability)
    p, people = probability[known].clip(0, 1), persons[known]
    random = np.random.default_rng(seed)
    total = np.zeros(SAMPLES)
    for start in range(0, len(p), 512):  # bounded memory for a city
        part = slice(start, start + 512)
        total += (random.random((SAMPLES, len(p[part]))) < p[part]) @ people[part]
    total *= random.lognormal(-(spread**2) / 2, spread, SAMPLES) if spread > 0 else 1.0
    p10, p50, p90 = (round(value) for value in np.percentile(total, [10, 50, 90]))
    return Displaced(
        p10,
        p50,
        p90,
        int(known.sum()),
        round(float(people.sum())),
        int((~known).sum()),
        round(float(persons[~known].sum())),
    )


def read_shelter(sites: str | Path) -> Shelter:
    """What a sites.gpkg offers; only its chosen sites if some are."""
    path = Path(sites)
    if not path.exists():
        raise BadInputError(f"{path}: there is no such file")
    try:
        site, tents, breaks, lamps = (gpd.read_file(path, layer=name) for name in ("site", "tent", "firebreak", "lamp"))
    except Exception as error:  # pyogrio raises its own and GDAL's errors
        raise BadInputError(f"{path}: not a sites.gpkg of `skyrelief sites` ({error})") from None
    if site["chosen"].astype(bool).any():
        site = site[site["chosen"].astype(bool)]
    numbers = set(site["site_id"])
    tents, breaks, lamps = (frame[frame["site_id"].isin(numbers)] for frame in (tents, breaks, lamps))
    return Shelter(
        persons=int(site["persons"].sum()),
        tents=len(tents),
        gap_m=float(tents["gap_m"].min()) if len(tents) else math.nan,
        firebreaks=len(breaks),
        lamps=len(lamps),
        cold=bool((site["profile"] == "cold").any()),
    )


def _lines(displaced: Displaced, shelter: Shelter | None, table: dict[str, Any]) -> list[Need]:
    people = np.array([displaced.p10, displaced.p50, displaced.p90])
    size = table["occupancy"]["household_persons"]
    households = np.ceil(people / size).astype(int)
    basis = "sampled from the calibrated probabilities of major damage and destruction"
    lines = [
        _need("people", "displaced persons", people, "persons", source=basis, note="a range, not a count; no casualties"),
        _need("people", "displaced households", households, "households", source=f"{size} persons each"),
        _need("people", "buildings not analysed", np.full(3, displaced.unknown_buildings), "buildings",
              note="in none of the other figures"),
        _need("people", "persons in buildings not analysed", np.full(3, displaced.unknown_persons), "persons",
              note="in none of the other figures; at most so many more"),
    ]  # fmt: skip
    for entry in table["item"]:
        lines.append(_ordered(entry, people, households, shelter))
    for entry in table["service"]:
        lines.append(_need("service", entry["item"], _amount(entry, people, households), entry["unit"],
                           source=entry["source"], verified=entry["verified"]))  # fmt: skip
    tent = table["item"][0]
    tents = _amount(tent, people, households)
    freight = table["freight"]
    for item, amount, unit in (
        ("tents, weight", tents * tent["weight_kg"], "kg"),
        ("tents, volume", tents * tent["volume_m3"], "m3"),
        ("20-foot containers for the tents", tents / freight["container_tents"], "containers"),
        ("or 5 t trucks for the tents", tents / freight["truck_tents"], "trucks"),
    ):
        lines.append(_need("freight", item, np.ceil(amount), unit, source=freight["source"]))
    return lines + ([] if shelter is None else _site_lines(people, shelter))


def _ordered(entry: dict[str, Any], people: NDArray, households: NDArray, shelter: Shelter | None) -> Need:
    cold = shelter is not None and shelter.cold and "amount_cold" in entry
    note = ""
    if entry["item"].startswith("family tent") and shelter is not None:
        note = (
            f"order fire retardant; planned with {shelter.gap_m:g} m between tents and {shelter.firebreaks} firebreaks"
        )
    return _need(
        "order", entry["item"],
        _amount(entry | ({"amount": entry["amount_cold"]} if cold else {}), people, households),
        entry["unit"], entry["code"], entry["source"], entry["verified"], note,
        code_verified=str(entry.get("code_verified", False)).lower() if entry["code"] else "",
    )  # fmt: skip


def _amount(entry: dict[str, Any], people: NDArray, households: NDArray) -> NDArray[np.float64]:
    """Quantities, rounded up, with the spare share."""
    units = {"household": households, "person": people}.get(entry["per"])
    if units is None:
        units = np.ceil(people / entry["per"])
    return np.ceil(np.round(units * entry["amount"] * (1 + entry.get("spare", 0.0)), 6))


def _site_lines(people: NDArray, shelter: Shelter) -> list[Need]:
    source = "the sites file"
    return [
        _need("site", "persons that the sites house", np.full(3, shelter.persons), "persons", source=source),
        _need("site", "persons without a place", (people - shelter.persons).clip(0), "persons", source=source),
        _need("site", "tents planned", np.full(3, shelter.tents), "tents", source=source),
        _need("site", "solar lamps beside paths, latrines and taps", np.full(3, shelter.lamps), "pcs", source=source,
              note="besides one for each household"),
    ]  # fmt: skip


def _need(
    section: str, item: str, amounts: NDArray, unit: str, code: str = "", source: str = "", verified: bool | None = None,
    note: str = "", code_verified: str = "",
) -> Need:  # fmt: skip
    p10, p50, p90 = (int(value) for value in amounts)
    told = "" if verified is None else str(verified).lower()
    return Need(section, item, p10, p50, p90, unit, code, code_verified, source, told, note)


def write_needs(lines: list[Need], out: str | Path) -> None:
    """Write the lines as CSV."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(asdict(lines[0])), lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(line) for line in lines)
    write_text(out, text.getvalue())
