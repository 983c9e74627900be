"""`skyrelief plan`: an area to flights, missions and a summary."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagery.core.errors import BadInputError
from planner.app.run import Run, command

if TYPE_CHECKING:
    from imagery.core.camera import Camera
    from planner.area import Area
    from planner.drone import Drone
    from planner.survey import Flight, SurveyPlan

PATTERNS = ("grid", "crosshatch", "corridor", "parallel", "creeping", "square", "sector", "orbit", "facade")
FORMATS = ("plan", "waypoints", "wpml", "litchi", "kml", "gpx", "gpkg")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".dng", ".tif", ".tiff")


@command
def run_command(
    run: Run,
    area: Annotated[
        Path, typer.Argument(help="Area: GeoJSON, KML, KMZ, GeoPackage, Shapefile, WKT, CSV, .plan, .poly.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the plan.")],
    camera: Annotated[str | None, typer.Option(help="Camera id, camera file (.toml), or a photo it took.")] = None,
    drone: Annotated[str | None, typer.Option(help="Drone id or drone file (.toml).")] = None,
    gsd: Annotated[
        float | None, typer.Option(help="Ground sampling distance in cm (2 unless --height is given).")
    ] = None,
    height: Annotated[float | None, typer.Option(help="Height above ground in m, instead of --gsd.")] = None,
    overlap: Annotated[str, typer.Option(help="Front overlap / sidelap in percent.")] = "75/70",
    pattern: Annotated[str, typer.Option(help=f"One of: {', '.join(PATTERNS)}.")] = "grid",
    angle: Annotated[str, typer.Option(help="Course of the lines in degrees from north, or auto.")] = "auto",
    home: Annotated[
        list[str] | None,
        typer.Option(help="Take-off and landing: LAT,LON. Once for each drone, or for as many as have their own."),
    ] = None,
    no_fly: Annotated[list[Path] | None, typer.Option("--no-fly", help="No-fly zones; may be given again.")] = None,
    clearance: Annotated[float, typer.Option(help="Distance kept from no-fly zones in m.")] = 10.0,
    margin: Annotated[float, typer.Option(help="How far ways between lines may leave the area, in m.")] = 0.0,
    dem: Annotated[
        list[Path] | None,
        typer.Option(help="Elevation above sea level: GeoTIFF, SRTM .hgt or a folder of tiles; may be given again."),
    ] = None,
    frame: Annotated[
        str,
        typer.Option(
            help="Heights in missions: relative (to home; nothing needed aboard), or terrain (above ground by the vehicle's own"
            " data: needs TERRAIN_ENABLE 1 and a ground station that serves it)."
        ),
    ] = "relative",
    wind: Annotated[str | None, typer.Option(help="Wind as SPEED@FROM: m/s @ degrees it blows from, as 6@270.")] = None,
    speed: Annotated[float | None, typer.Option(help="Ground speed in m/s.")] = None,
    shutter: Annotated[
        str | None, typer.Option(help="Shutter speed in s, as 1/1000: the speed is kept to a blur of one pixel.")
    ] = None,
    endurance: Annotated[str | None, typer.Option(help="Usable minutes a flight, or none for a single flight.")] = None,
    drones: Annotated[int, typer.Option(help="How many drones fly.")] = 1,
    building_height: Annotated[
        float | None, typer.Option("--building-height", help="Orbit, facade: height of the building in m.")
    ] = None,
    distance: Annotated[
        float | None, typer.Option(help="Orbit, facade: distance from the walls in m, instead of --gsd.")
    ] = None,
    heights: Annotated[
        str | None, typer.Option(help="Orbit, facade: heights of the rounds above the building's ground, as 15,25.")
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(help="Corridor: its width in m; else the file's `width_m`, or what a photo sees across."),
    ] = None,
    datum: Annotated[
        str | None, typer.Option(help="Square, sector: where the search begins, LAT,LON; else the area's middle.")
    ] = None,
    sweep_width: Annotated[
        float | None, typer.Option("--sweep-width", help="Searches: sweep width in m; else what a photo sees across.")
    ] = None,
    searched: Annotated[
        str | None, typer.Option(help="Searches: coverage factors of earlier searches of the area, as 0.8,1.")
    ] = None,
    formats: Annotated[str, typer.Option(help=f"Mission formats, of: {', '.join(FORMATS)}.")] = "plan,waypoints",
) -> dict[str, Any]:
    """Plan a survey of an area: plan.geojson, summary.json and a mission per flight."""
    from imagery.core.files import check_writable
    from planner.area import check_not_swapped, parse_home, read_zones
    from planner.survey import SurveySpec, plan_survey

    if gsd is not None and height is not None:
        raise BadInputError("give --gsd or --height, not both: each follows from the other")
    wanted = chosen_formats(formats)
    front, side = _overlap(overlap)
    chosen_camera, chosen_drone = _equipment(camera, drone)
    shown_gsd = 2.0 if gsd is None and height is None else gsd
    wanted_area = _area(area, pattern, chosen_camera, shown_gsd, height, width)
    homes = tuple(parse_home(text) for text in home or [])
    for place in homes:
        check_not_swapped(wanted_area.polygon, place, area)
    zones = [wanted_area.no_fly, *(read_zones(path, wanted_area) for path in no_fly or [])]
    wind_m_s, wind_from = _wind(wind)
    spec = SurveySpec(
        area=wanted_area,
        camera=chosen_camera,
        drone=chosen_drone,
        gsd_cm=shown_gsd,
        height_m=height,
        front_overlap=front,
        sidelap=side,
        pattern=pattern,
        angle_deg=_angle(angle),
        homes=homes,
        no_fly=_union(zones),
        clearance_m=clearance,
        margin_m=margin,
        wind_m_s=wind_m_s,
        wind_from_deg=wind_from,
        speed_m_s=speed,
        shutter_s=_shutter(shutter),
        usable_s=_endurance(endurance, chosen_drone),
        drones=drones,
        dem=tuple(dem or ()),
        height_frame=frame.strip().lower(),
        building_height_m=building_height,
        distance_m=distance,
        heights_m=_numbers("heights", heights, "metres above the ground of the building, as 15,25"),
        datum=parse_home(datum, "datum") if datum else None,
        sweep_width_m=sweep_width,
        searched=_numbers("searched", searched, "coverage factors, as 0.8,1"),
    )
    check_writable(out)
    plan = plan_survey(spec, run.progress)
    result = write_plan(plan, out, wanted)
    _report(run, plan, result, out)
    return result


def write_plan(
    plan: "SurveyPlan",
    out: Path,
    formats: tuple[str, ...] = ("plan", "waypoints"),
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a plan's files into a folder, all or none, and return its summary; flights of an older plan there are removed.

    more: what else the summary says.
    """
    from imagery.core.files import atomic_directory, write_json
    from planner.formats import plan_geojson, summary

    result = {**summary.figures(plan), **(more or {})}
    with atomic_directory(out) as folder:
        plan_geojson.write(plan, folder / "plan.geojson")
        if "gpkg" in formats:
            from planner.formats import geopackage

            geopackage.write(plan, folder / "plan.gpkg")
        _draw(plan, folder)
        for flight in plan.flights:
            result["warnings"] += _write_flight(plan, flight, folder / f"flight-{flight.number:02d}", formats)
        write_json(folder / "summary.json", result)
        written = {path.name for path in folder.iterdir()}
    for old in out.glob("flight-[0-9]*"):
        if old.name not in written and old.is_file():
            old.unlink()
    return result


def _draw(plan: "SurveyPlan", folder: Path) -> None:
    """What the photos see as a map, and over known ground the profile of every flight."""
    from planner import overlap_map, profile

    overlap_map.write_geotiff(plan, folder / "overlap.tif")
    overlap_map.write_picture(plan, folder / "overlap.png")
    if plan.terrain is not None:
        for flight in plan.flights:
            profile.write(plan.seen_from(flight), flight, folder / f"flight-{flight.number:02d}-profile.png")


def _write_flight(plan: "SurveyPlan", flight: "Flight", stem: Path, formats: tuple[str, ...]) -> list[str]:
    """Write a flight in every format; returns what to know about these files."""
    from planner.mission import build_mission

    plan = plan.seen_from(flight)
    mission = build_mission(plan, flight)
    found: list[str] = []
    if "plan" in formats:
        from planner.formats import qgc_plan

        qgc_plan.write(mission, stem.with_suffix(".plan"), (plan, flight) if flight.aims is None else None)
    if "waypoints" in formats:
        from planner.formats import waypoints

        waypoints.write(mission, stem.with_suffix(".waypoints"))
    if "kml" in formats:
        from planner.formats import kml

        kml.write(plan, flight, stem.with_suffix(".kml"))
    if "gpx" in formats:
        from planner.formats import gpx

        gpx.write(plan, flight, stem.with_suffix(".gpx"))
    if "litchi" in formats:
        from planner.formats import litchi

        litchi.write(plan, flight, stem.with_name(f"{stem.name}-litchi.csv"))
        found += litchi.warnings(flight)
    if "wpml" in formats:
        from planner.formats import wpml

        wpml.write(plan, flight, stem.with_suffix(".kmz"))
        found += wpml.warnings(plan, flight)
    return found


def _report(run: Run, plan: "SurveyPlan", result: dict[str, Any], out: Path) -> None:
    for warning in result["warnings"]:
        run.progress.warn(warning)
    run.say(f"{plan.spec.drone.name} with {plan.spec.camera.name or plan.spec.camera.id}")
    run.say(
        f"{result['area_m2'] / 1e6:.3g} km2 at {result['gsd_cm']:.3g} cm from {result['height_agl_m']:.0f} m:"
        f" {result['flights']} flight{'s' if result['flights'] > 1 else ''},"
        f" {result['photos']} photos, {result['length_m'] / 1000:.1f} km,"
        f" {result['duration_s'] / 60:.1f} min (longest {result['longest_flight_s'] / 60:.1f} min)"
    )
    if search := result.get("search"):
        cumulative = search.get("cumulative_probability")
        after = "" if cumulative is None else f"; with the earlier searches {cumulative * 100:.0f} %"
        run.say(
            f"coverage factor {search['coverage_factor']:.2f}: probability of detection"
            f" {search['probability_of_detection'] * 100:.0f} % over the area{after}"
        )
    seen = "walls" if plan.spec.pattern in ("orbit", "facade") else "area"
    run.say(f"seen by a photo: {result['seen1']:.2f} % of the {seen}; by five or more: {result['seen5']:.2f} %")
    names = "flight-01" if len(plan.flights) == 1 else f"flight-01 to flight-{len(plan.flights):02d}"
    run.say(f"{out}: plan.geojson, summary.json, {names}")


def _area(
    path: Path, pattern: str, camera: "Camera", gsd_cm: float | None, height_m: float | None, width_m: float | None
) -> "Area":
    """The area, or for a corridor the ground along a line: as wide as a photo sees unless asked or the line says otherwise."""
    from planner.area import read_area, read_corridor

    if pattern != "corridor":
        return read_area(path)
    agl = height_m if height_m is not None else camera.height_for_gsd((gsd_cm or 0.0) / 100)
    return read_corridor(path, max(camera.footprint_m(agl)[0], 1.0), width_m)


def _equipment(camera: str | None, drone: str | None) -> tuple["Camera", "Drone"]:
    """The camera and the drone; each follows from the other where only one is given."""
    from imagery.core.camera import find_camera, load_camera
    from planner.drone import DEFAULT_DRONE, drone_for_camera, find_drone, load_drone

    flown = None if drone is None else load_drone(drone) if drone.endswith(".toml") else find_drone(drone)
    if camera is None:
        flown = flown or find_drone(DEFAULT_DRONE)
        return find_camera(flown.camera), flown
    if camera.lower().endswith(PHOTO_SUFFIXES):
        from imagery.core.photo import camera_of, read_photo

        used = camera_of(read_photo(Path(camera)))
    elif camera.lower().endswith(".toml"):
        used = load_camera(camera)
    else:
        used = find_camera(camera)
    return used, flown or drone_for_camera(used.id)


def _union(zones: list[Any]) -> Any:
    import shapely

    return shapely.union_all(zones) if zones else shapely.MultiPolygon()


def chosen_formats(text: str) -> tuple[str, ...]:
    wanted = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    unknown = [part for part in wanted if part not in FORMATS]
    if not wanted:
        raise BadInputError(f"no format given: choose of {', '.join(FORMATS)}")
    if unknown:
        raise BadInputError(f"unknown format {unknown[0]!r}: choose of {', '.join(FORMATS)}")
    return wanted


def _overlap(text: str) -> tuple[float, float]:
    try:
        parts = [float(part.strip().rstrip("%")) / 100 for part in text.split("/")]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2) or any(0 < part < 0.01 for part in parts):
        raise BadInputError(f"overlap {text!r}: give front overlap / sidelap in percent, as 75/70")
    return parts[0], parts[-1]


def _angle(text: str) -> float | None:
    if text.strip().lower() == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInputError(f"angle {text!r}: give degrees clockwise from north, or auto")
    return value


def _numbers(name: str, text: str | None, instead: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise BadInputError(f"{name} {text!r}: give {instead}") from None


def _wind(text: str | None) -> tuple[float, float]:
    if text is None:
        return 0.0, 0.0
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*@\s*(-?\d+(?:\.\d+)?)\s*", text)
    if match is None:
        raise BadInputError(f"wind {text!r}: give metres per second @ degrees it blows from, as 6@270")
    return float(match[1]), float(match[2]) % 360


def _shutter(text: str | None) -> float | None:
    """Seconds from a fraction, as 1/1000, or a decimal number."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(?:(\d+)\s*/\s*)?(\d+(?:\.\d+)?)\s*s?\s*", text)
    value = float(match[2]) if match else 0.0
    if value == 0:
        raise BadInputError(f"shutter {text!r}: give seconds, as 1/1000")
    return value if match is None or match[1] is None else int(match[1]) / value


def _endurance(text: str | None, drone: "Drone") -> float:
    if text is None:
        return drone.usable_s
    if text.strip().lower() == "none":
        return math.inf
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not (math.isfinite(minutes) and minutes > 0):
        raise BadInputError(f"endurance {text!r}: give minutes above 0, or none")
    if minutes > drone.endurance_min:
        raise BadInputError(
            f"endurance {minutes:g} minutes: {drone.name} flies {drone.endurance_min:g} at most; give less, the --drone that is"
            " flown, or a drone file (.toml) with its own endurance_min"
        )
    return minutes * 60
