"""What a brief says in words and figures, in the reader's language."""

import math
from dataclasses import dataclass

import numpy as np

from imagery.core.language import Words
from planner.brief.scene import Place, Scene

__all__ = ["Facts", "Tile", "facts_of"]

LITTLE_LEFT = 0.9  # of the usable battery: more is worth a warning


@dataclass(frozen=True, slots=True)
class Tile:
    """A leading figure: its name, value and a remark; share: what part of a bar it fills, if it has one."""

    name: str
    value: str
    note: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """The text of a brief.

    Attributes: kind: what page this is; title: the area's name; flight: which of how many; equipment; tiles; rows: names and
    values; places: home, rally points, corners; warnings; checks: before take-off; emergency; calls,
    record: names of fields to fill in.
    """

    kind: str
    title: str
    flight: str
    equipment: str
    tiles: list[Tile]
    rows: list[tuple[str, str]]
    places: list[Place]
    warnings: list[str]
    checks: list[str]
    emergency: list[str]
    calls: list[str]
    record: list[str]


def facts_of(scene: Scene, words: Words) -> Facts:
    """The text of a flight's brief."""
    plan, flight = scene.plan, scene.flight
    spec = plan.spec
    which = words("Flight {number} of {count}", number=flight.number, count=len(plan.flights))
    if spec.drones > 1:
        which += " · " + words("Drone {number} of {count}", number=flight.drone, count=spec.drones)
    return Facts(
        kind=words("Survey flight brief"),
        title=spec.area.name,
        flight=which,
        equipment=f"{spec.drone.name} · {spec.camera.name}",
        tiles=_tiles(scene, words),
        rows=_rows(scene, words),
        places=[scene.home, *scene.rally, *scene.corners],
        warnings=[*_own_warnings(scene, words), *(_capital(words.sentence(text)) for text in plan.warnings)],
        checks=_checks(scene, words),
        emergency=_emergency(scene, words),
        calls=[words("Emergency services"), words("Air traffic control"), words("Lead")],
        record=[
            words(name)
            for name in (
                "Pilot", "Observer", "Date", "Take-off", "Landing", "Battery no.", "Voltage before / after", "Photos taken",
                "Signature",
            )
        ],
    )  # fmt: skip


def _tiles(scene: Scene, words: Words) -> list[Tile]:
    flight, summary = scene.flight, scene.plan.summary
    share = flight.duration_s / scene.usable_s
    usable = words("of {minutes} usable", minutes=words.number(scene.usable_s / 60, 1, "min"))
    to_camera = words("every {metres}", metres=words.number(scene.plan.trigger_m, 1, "m"))
    return [
        Tile(words("Flying time"), words.number(flight.duration_s / 60, 1, "min"), words("take-off to landing")),
        Tile(words("Battery used"), words.number(100 * share, 0, "%"), usable, share),
        Tile(words("Height above ground"), _span(flight.photo_agl_m, words), words("when photographing")),
        Tile(words("Speed"), words.number(summary["speed_m_s"], 1, "m/s"), _wind(scene, words)),
        Tile(words("Photos"), words.number(len(flight.photos)), to_camera),
        Tile(words("Distance"), words.number(_length_m(scene) / 1000, 1, "km"), _lines(scene, words)),
    ]


def _lines(scene: Scene, words: Words) -> str:
    return words("lines: {count}", count=words.number(len(scene.flight.lines)))


def _wind(scene: Scene, words: Words) -> str:
    spec = scene.plan.spec
    if not spec.wind_m_s:
        return words("over ground, no wind")
    return words(
        "wind {speed} from {degrees}°", speed=words.number(spec.wind_m_s, 0, "m/s"), degrees=f"{spec.wind_from_deg:.0f}"
    )


def _rows(scene: Scene, words: Words) -> list[tuple[str, str]]:
    plan, flight = scene.plan, scene.flight
    spec, summary = plan.spec, plan.summary
    unknown = words("not known")
    above_home, home_amsl = flight.photos[:, 2], plan.home_amsl_m
    farthest_m = float(np.hypot(flight.path[:, 0] - scene.home.x, flight.path[:, 1] - scene.home.y).max())
    sidelap = words.number(summary["sidelap"], 0, "%")
    rows = [
        (words("Height above home"), _span(above_home, words)),
        (words("Height above sea level"), _span(above_home + home_amsl, words) if scene.terrain_known else unknown),
        (words("Ground at home above sea level"), words.number(home_amsl, 0, "m") if scene.terrain_known else unknown),
        (words("Return height above home"), words.number(scene.return_height_m, 0, "m")),
        (words("Farthest from home"), words.number(farthest_m, 0, "m")),
        (words("Ground sampling distance"), words.number(summary["gsd_cm"], 1, "cm")),
        (words("Overlap ahead and aside"), f"{words.number(summary['front_overlap'])} / {sidelap}"),
        (words("Distance between photos"), _trigger(scene, words)),
        (words("Distance between lines"), words.number(plan.spacing_m, 1, "m")),
        (words("Course of the lines"), _courses(scene)),
        (words("Area of the whole survey"), words.number(plan.area.area / 1e4, 1, "ha")),
        (words("Clearance to no-fly zones"), words.number(spec.clearance_m, 0, "m")),
        (words("Wind limit of the drone"), words.number(spec.drone.wind_limit_m_s, 0, "m/s")),
    ]  # fmt: skip
    if len(plan.flights) > 1:
        total = words.number(sum(one.duration_s for one in plan.flights) / 60, 0, "min")
        photos = words("photos: {count}", count=words.number(summary["photos"]))
        rows.append((words("All flights together"), f"{total}, {photos}"))
    return rows


def _trigger(scene: Scene, words: Words) -> str:
    seconds = scene.plan.trigger_m / float(scene.plan.summary["speed_m_s"])
    return f"{words.number(scene.plan.trigger_m, 1, 'm')} ({words.number(seconds, 1, 's')})"


def _courses(scene: Scene) -> str:
    """The courses of the lines to the degree, as 45° / 225°; of patterns with many, the first ones."""
    courses = list(dict.fromkeys(round(float(course)) % 360 for course in scene.flight.course_deg))
    return " / ".join(f"{course}°" for course in courses[:4]) + (" …" if len(courses) > 4 else "")


def _own_warnings(scene: Scene, words: Words) -> list[str]:
    share = scene.flight.duration_s / scene.usable_s
    if share > 1:
        return [words("The flight takes longer than a battery gives: do not fly it as it is.")]
    if share > LITTLE_LEFT:
        return [words("Little battery is left over: land at once when the drone says so.")]
    return []


def _checks(scene: Scene, words: Words) -> list[str]:
    plan, flight = scene.plan, scene.flight
    wind = words.number(plan.spec.drone.wind_limit_m_s, 0, "m/s")
    return [
        words("Permission, airspace and notices checked; people on the ground informed"),
        words("Wind below {limit} also in gusts; no rain; sight along the whole path", limit=wind),
        words("Take-off place level and clear, nobody within 30 m"),
        words("Propellers, arms and gimbal sound and locked; lens clean"),
        words("Drone and transmitter batteries full, firmly seated, not cold"),
        words("Memory card: room for {count} photos", count=words.number(len(flight.photos))),
        words("Satellites 10 or more; home set where H is on the map"),
        words("Compass, attitude and heights plausible; no message of the autopilot"),
        words("Mission of flight {number} loaded and read back", number=flight.number),
        words("Fence on; return height above every obstacle on the way"),
        words("Set: return on lost link and on low battery"),
        words("Camera: fixed focus, shutter 1/1000 s or faster, test photo"),
        words("Observer in place, means of speaking tested"),
    ]


def _emergency(scene: Scene, words: Words) -> list[str]:
    height = scene.return_height_m
    places = " / ".join(place.mark for place in (scene.home, *scene.rally))
    above = words.number(height, 0, "m")
    returns = words("Return: {height} above home, landing at {places}.", height=above, places=places)
    if math.isnan(height):
        returns = words("Return: landing at {places}.", places=places)
    return [
        words("Anything unclear: pause (Loiter or Brake), look, then go on or return."),
        returns,
        words("Manned aircraft near: descend at once, land when it is safe, report it."),
        words("Link lost: stay, keep the transmitter on, watch the drone return by itself."),
        words("Battery low or motor trouble: land on the nearest clear ground, away from people."),
        words("Crash or fire: keep people away, do not touch the battery, call help, note the place."),
    ]


def _span(values: object, words: Words) -> str:
    """One height, or the lowest and highest, in whole metres."""
    low, high = (words.number(round(float(value))) for value in (np.min(values), np.max(values)))  # type: ignore[call-overload]
    return f"{high}\u00a0m" if low == high else f"{low}–{high}\u00a0m"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _length_m(scene: Scene) -> float:
    return float(np.hypot(*np.diff(scene.flight.path[:, :2], axis=0).T).sum())
