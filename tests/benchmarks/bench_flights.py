"""How long flights take, predicted and flown: `python -m tests.benchmarks.bench_flights [CASE]...` flies plans in simulation.

Every plan is flown from arming to disarming, faster than real time, by a real ArduCopter if SKYRELIEF_ARDUCOPTER names one, and
by the embedded simulator. The wind is the one planned with. `missed`: planned photos from which the nearest taken one is farther
than `MISSED_M`; photos that fall due as a line ends are taken once.
"""

import math
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_bounds

from imagery.core.camera import find_camera
from planner.area import Area
from planner.drone import find_drone
from planner.link.preflight import Verdict, preflight
from planner.link.transfer import upload_mission
from planner.link.vehicle import connect
from planner.mission import build_mission
from planner.survey import SurveyPlan, SurveySpec, plan_survey
from sitl.ardupilot import ArduPilot, find_binary
from sitl.autopilot import Copter, Place
from sitl.endpoint import serve
from tests.planner.nasty import NASTY, to_degrees

SPEEDUP = 20.0
MISSED_M = 5.0
SIMULATED_AIRSPEED_M_S = 10.0  # what the simulated quadcopter of ArduPilot holds within its lean angle, by trial
FAST_M_S, LEAN_CENTIDEG = (
    10.0,
    4500.0,
)  # above this speed the simulated quadcopter must lean more than its default 30 degrees
POSITIONS_HZ = 50.0  # of wall time: what the clock of a flight is read from
GLOBAL_POSITION_INT = 33
CONVEX = shapely.Polygon([(0, 0), (500, 60), (460, 400), (100, 380)])


@dataclass(frozen=True, slots=True)
class Case:
    """A plan to fly: an outline in metres, the drone, and what else is asked of the survey."""

    outline: Callable[[], shapely.Geometry]
    drone: str = "generic-arducopter"
    more: tuple[tuple[str, Any], ...] = ()
    hills: bool = False


CASES = {
    "convex": Case(lambda: CONVEX),
    "concave": Case(NASTY["comb"]),
    "river": Case(lambda: shapely.intersection(NASTY["river"](), shapely.box(0, -500, 1200, 500))),
    "hills": Case(lambda: CONVEX, hills=True, more=(("height_m", 80.0),)),
    "wind along": Case(lambda: CONVEX, more=(("wind_m_s", 6.0), ("wind_from_deg", 80.0), ("angle_deg", 80.0))),
    "wind across": Case(lambda: CONVEX, more=(("wind_m_s", 6.0), ("wind_from_deg", 350.0), ("angle_deg", 80.0))),
    "mavic 3e": Case(lambda: CONVEX, "dji-mavic-3e"),
    "phantom 4": Case(NASTY["comb"], "dji-phantom-4-pro"),
    "m350 hills": Case(lambda: CONVEX, "dji-m350-rtk", (("height_m", 80.0),), hills=True),
}


def main() -> None:
    """Fly the cases named on the command line, or all, and print the table."""
    wanted = sys.argv[1:] or list(CASES)
    binary = find_binary()
    if binary is None:
        print("no ArduCopter: set SKYRELIEF_ARDUCOPTER to a SITL binary for the column of the real one")
    columns = (
        "predicted_s",
        "real_s",
        "error_%",
        "embedded_s",
        "error_%",
        "photos",
        "real",
        "missed",
        "embedded",
        "missed",
    )
    print(f"{'case':<14}" + "".join(f"{name:>12}" for name in columns))
    for name in wanted:
        plan = planned(CASES[name])
        flight = plan.flights[0]
        print(f"{name:<14}{flight.duration_s:>12.1f}", end="", flush=True)
        counts = f"{len(flight.photos):>12}"
        for program in (binary, None):
            seconds, photos = (math.nan, np.zeros((0, 2))) if program is binary is None else flown(plan, program)
            print(f"{seconds:>12.1f}{100 * (flight.duration_s / seconds - 1):>+12.2f}", end="", flush=True)
            counts += f"{len(photos):>12}{missed(plan, photos):>12}"
        print(counts, flush=True)


def planned(case: Case) -> SurveyPlan:
    """The plan of a case, in one flight."""
    drone = find_drone(case.drone)
    if "wind_m_s" in dict(case.more):
        drone = replace(drone, max_speed_m_s=SIMULATED_AIRSPEED_M_S)
    area = Area("bench", to_degrees(case.outline()))
    with tempfile.TemporaryDirectory() as folder:
        dem = {"dem": (hilly(Path(folder) / "hills.tif", area),)} if case.hills else {}
        spec = SurveySpec(area, find_camera(drone.camera), drone, **{**dict(case.more), **dem})
        return plan_survey(spec)


def hilly(path: Path, area: Area) -> Path:
    """An elevation model around an area: two ridges, 60 m high and 400 m apart."""
    west, south, east, north = area.polygon.buffer(0.02).bounds
    y = np.linspace(north, south, 400)[:, None] * 111_320
    x = np.linspace(west, east, 400)[None, :] * 111_320 * math.cos(math.radians(north))
    heights = 500 + 30 * np.sin(2 * math.pi * (x + 0.3 * y) / 400)
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "width": 400, "height": 400, "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=from_bounds(west, south, east, north, 400, 400), **profile) as target:
        target.write(heights.astype(np.float32), 1)
    return path


def flown(plan: SurveyPlan, binary: Path | None) -> tuple[float, NDArray[np.float64]]:
    """Seconds from arming to disarming and where photos were taken (n x 2, longitude and latitude).

    binary: of the real ArduCopter, None for the embedded one.
    """
    mission = build_mission(plan, plan.flights[0])
    ground = plan.home_amsl_m if math.isfinite(plan.home_amsl_m) else 100.0
    place = Place(plan.home[1], plan.home[0], ground)
    parameters = {
        "CAM1_TYPE": 1.0,
        "BATT_CAPACITY": 1e5,
        "FS_GCS_ENABLE": 0.0,
        **({"ANGLE_MAX": LEAN_CENTIDEG} if plan.motion.speed_m_s > FAST_M_S else {}),
        "SIM_WIND_SPD": plan.spec.wind_m_s,
        "SIM_WIND_DIR": plan.spec.wind_from_deg,
    }
    with ExitStack() as stack:
        if binary is None:
            url = stack.enter_context(serve(Copter(place, parameters=parameters), speedup=SPEEDUP)).url
        else:
            url = stack.enter_context(ArduPilot(binary, place, speedup=SPEEDUP, parameters=parameters)).url
        vehicle = stack.enter_context(connect(url))
        vehicle.request_message(1, 4.0)
        failed = [check for check in preflight(vehicle, mission) if check.verdict is Verdict.FAIL]
        if any(check.name == "pre-arm checks" for check in failed):
            raise SystemExit(f"not ready: {failed[0].finding}")
        upload_mission(vehicle, replace(mission, fence=(), rally=()))
        box = stack.enter_context(vehicle.link.inbox("GLOBAL_POSITION_INT", "HEARTBEAT", "CAMERA_FEEDBACK"))
        vehicle.request_message(GLOBAL_POSITION_INT, POSITIONS_HZ)
        vehicle.set_mode("GUIDED")
        vehicle.arm()
        vehicle.start_mission()
        return _watched(box)


def missed(plan: SurveyPlan, photos: NDArray[np.float64]) -> int:
    """How many planned photos have no taken one (longitude, latitude) near them."""
    taken = np.column_stack(plan.frame.to_local(photos[:, 0], photos[:, 1]))
    offsets = plan.flights[0].photos[:, None, :2] - taken[None]
    return int((np.hypot(offsets[..., 0], offsets[..., 1]).min(axis=1, initial=math.inf) > MISSED_M).sum())


def _watched(box: Any) -> tuple[float, NDArray[np.float64]]:
    """Follow a flight by its messages until the vehicle disarms."""
    now_s, began_s, photos = math.nan, math.nan, {}
    stopped_at = time.monotonic() + 600
    while time.monotonic() < stopped_at:
        message = box.get(20.0)
        if message is None:
            break
        match message.get_type():
            case "GLOBAL_POSITION_INT":
                now_s = message.time_boot_ms / 1000
            case "CAMERA_FEEDBACK":
                photos[message.img_idx] = (message.lng / 1e7, message.lat / 1e7)
            case _ if message.base_mode & 128:
                began_s = now_s if math.isnan(began_s) else began_s
            case _ if now_s > began_s + 10:
                return now_s - began_s, np.array(list(photos.values())).reshape(-1, 2)
    raise SystemExit("the vehicle fell silent, or did not land within ten minutes")


if __name__ == "__main__":
    main()
