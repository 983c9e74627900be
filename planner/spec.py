"""What is asked of a survey (SurveySpec), whether a plan can be made of it, and how fast it may be flown."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import shapely

from imagery.core.camera import Camera
from imagery.core.errors import BadInputError
from planner.area import Area
from planner.drone import Drone
from planner.timing import Motion

__all__ = ["HEIGHT_FRAMES", "PATTERNS", "SurveySpec", "check", "pace"]

HEIGHT_FRAMES = ("relative", "terrain")
PATTERNS = ("grid", "crosshatch", "corridor", "parallel", "creeping", "square", "sector", "orbit", "facade")
BLUR_SHUTTER_S = 1 / 1000  # taken where no shutter speed is asked for: only warned of
MOST_BLUR = 1.0  # ground sampling distances that a photo may move while its shutter is open


@dataclass(frozen=True, slots=True)
class SurveySpec:
    """What is asked.

    Attributes: area; camera; drone; gsd_cm or height_m: one of them; front_overlap, sidelap: shares below 1; pattern; angle_deg:
    course of the lines clockwise from north, None for the fastest; homes: (longitude, latitude), which drones share in turn
    where there are fewer, none for the area's own; no_fly: zones in longitude and latitude; clearance_m to them; margin_m: how
    far the ways between lines may leave the area; wind_m_s blowing from wind_from_deg; speed_m_s: None for the drone's;
    usable_s: seconds aloft per flight, infinite for one flight; drones: how many fly; dem: elevation files or folders, none for
    flat ground; height_frame: of missions, relative to home or above the vehicle's own terrain data; inset: whether lines may
    end a little inside the area's edge where the photos see enough beyond their ends; of an orbit and a facade:
    building_height_m; distance_m from the walls (instead of gsd_cm); heights_m: of the rounds, none for what is needed; of a
    search: datum: (longitude, latitude) where a square or sector begins, None for the area's middle; sweep_width_m, None for
    what a photo sees across; searched: coverage factors of earlier searches of the same area; shutter_s: exposure
    time that the speed is kept to, None for any.
    """

    area: Area
    camera: Camera
    drone: Drone
    gsd_cm: float | None = None
    height_m: float | None = None
    front_overlap: float = 0.75
    sidelap: float = 0.70
    pattern: str = "grid"
    angle_deg: float | None = None
    homes: tuple[tuple[float, float], ...] = ()
    no_fly: shapely.Geometry = field(default_factory=shapely.MultiPolygon)
    clearance_m: float = 10.0
    margin_m: float = 0.0
    wind_m_s: float = 0.0
    wind_from_deg: float = 0.0
    speed_m_s: float | None = None
    usable_s: float = math.inf
    drones: int = 1
    dem: tuple[Path, ...] = ()
    height_frame: str = "relative"
    inset: bool = True
    building_height_m: float | None = None
    distance_m: float | None = None
    heights_m: tuple[float, ...] = ()
    datum: tuple[float, float] | None = None
    sweep_width_m: float | None = None
    searched: tuple[float, ...] = ()
    shutter_s: float | None = None

    @property
    def height_agl_m(self) -> float:
        """Height above ground in metres."""
        if self.height_m is not None:
            return self.height_m
        return self.camera.height_for_gsd((2.0 if self.gsd_cm is None else self.gsd_cm) / 100)

    @property
    def footprint_m(self) -> tuple[float, float]:
        """What a photo sees across and along the course, in metres."""
        return self.camera.footprint_m(self.height_agl_m)


def check(spec: SurveySpec) -> None:
    """Raise BadInputError for a value that no plan can be made with."""

    def require(fine: bool, what: str, instead: str) -> None:
        if not fine:
            raise BadInputError(f"{what} is not possible: give {instead}")

    gsd, height, speed = spec.gsd_cm, spec.height_m, spec.speed_m_s
    require(
        gsd is None or 0.05 <= gsd <= 200, f"a ground sampling distance of {gsd} cm", "0.05 to 200, usually 1 to 10"
    )
    require(height is None or height > 0, f"a height of {height} m", "metres above ground, usually 30 to 120")
    camera, agl = spec.camera, spec.height_agl_m
    flying = f"flying {agl:.1f} m above ground ({camera.gsd_m(agl) * 100:.2g} cm with {camera.id})"
    require(2 <= agl <= 5000, flying, "another ground sampling distance or camera, for 2 to 5000 m")
    require(
        0 <= spec.front_overlap <= 0.95, f"a front overlap of {spec.front_overlap * 100:g} %", "0 to 95, usually 75/70"
    )
    require(0 <= spec.sidelap <= 0.95, f"a sidelap of {spec.sidelap * 100:g} %", "0 to 95, usually 75/70")
    require(spec.pattern in PATTERNS, f"the pattern {spec.pattern!r}", f"one of {', '.join(PATTERNS)}")
    require(spec.height_frame in HEIGHT_FRAMES, f"the frame {spec.height_frame!r}", " or ".join(HEIGHT_FRAMES))
    require(speed is None or 0.1 <= speed <= 100, f"a speed of {speed} m/s", f"0.1 to {spec.drone.max_speed_m_s:g}")
    require(0 <= spec.clearance_m <= 10_000, f"a clearance of {spec.clearance_m:g} m", "0 or more metres")
    require(0 <= spec.margin_m <= 10_000, f"a margin of {spec.margin_m:g} m", "0 or more metres")
    require(0 <= spec.wind_m_s < 60, f"a wind of {spec.wind_m_s:g} m/s", "0 to 60")
    require(spec.usable_s > 0, f"an endurance of {spec.usable_s / 60:g} minutes", "minutes above 0, or none")
    width = spec.sweep_width_m
    require(width is None or 0 < width <= 10_000, f"a sweep width of {width} m", "metres above 0")
    require(
        all(0 < c <= 100 for c in spec.searched),
        f"earlier coverage {spec.searched}",
        "coverage factors above 0, as 0.8,1",
    )
    shutter = spec.shutter_s
    require(shutter is None or 1e-5 <= shutter <= 1, f"a shutter speed of {shutter} s", "1/8000 to 1, as 1/1000")
    require(1 <= spec.drones <= 100, f"a fleet of {spec.drones} drones", "1 to 100")
    homes = len(spec.homes)
    require(homes <= spec.drones, f"{homes} homes for {spec.drones} drone{'s' * (spec.drones > 1)}", "--drones too")


def pace(spec: SurveySpec) -> tuple[Motion, list[str]]:
    """How fast to fly, and what limited it: the drone, the time between photos, and with a given shutter motion blur."""
    drone, warnings = spec.drone, []
    asked = spec.speed_m_s if spec.speed_m_s is not None else drone.speed_m_s
    trigger_m = spec.footprint_m[1] * (1 - spec.front_overlap)
    by_camera = trigger_m / spec.camera.min_interval_s
    gsd_m = spec.camera.gsd_m(spec.height_agl_m)
    by_blur = math.inf if spec.shutter_s is None else MOST_BLUR * gsd_m / spec.shutter_s
    speed = min(asked, drone.max_speed_m_s, by_camera, by_blur)
    if speed < asked and speed == by_camera:
        warnings.append(
            f"{spec.camera.id} takes a photo every {spec.camera.min_interval_s:g} s at the soonest, and one is needed every"
            f" {trigger_m:.1f} m: planned with {speed:.1f} m/s instead of {asked:g}"
        )
    elif speed < asked and speed == by_blur:
        warnings.append(
            f"with a shutter speed of {_fraction(spec.shutter_s)} s photos blur over more than a pixel above"
            f" {speed:.1f} m/s: planned with that instead of {asked:g}; a faster shutter saves time"
        )
    elif speed < asked:
        warnings.append(f"{drone.name} flies at most {speed:g} m/s: planned with that instead of {asked:g}")
    if spec.shutter_s is None and speed * BLUR_SHUTTER_S > MOST_BLUR * gsd_m:
        warnings.append(
            f"at {speed:.1f} m/s photos blur over a pixel and more unless the shutter is faster than 1/1000 s"
        )
    if spec.wind_m_s > drone.wind_limit_m_s:
        warnings.append(
            f"a wind of {spec.wind_m_s:g} m/s is above the limit of {drone.name}, {drone.wind_limit_m_s:g} m/s"
        )
    toward = math.radians(spec.wind_from_deg + 180)
    motion = Motion(
        speed_m_s=speed,
        acceleration_m_s2=drone.acceleration_m_s2,
        max_airspeed_m_s=drone.max_speed_m_s,
        climb_m_s=drone.climb_m_s,
        descent_m_s=drone.descent_m_s,
        wind_east_m_s=spec.wind_m_s * math.sin(toward),
        wind_north_m_s=spec.wind_m_s * math.cos(toward),
    )
    return motion, warnings


def _fraction(seconds: float | None) -> str:
    """An exposure time as photographers write it."""
    return f"1/{1 / seconds:.0f}" if seconds and seconds < 0.5 else f"{seconds:g}"
