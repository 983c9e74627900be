"""How well flights fill batteries: `python -m tests.benchmarks.bench_sorties [AREA]...`, areas of `SKYRELIEF_DATA`/areas/bench.

For endurances of 20, 30 and 45 usable minutes: flights beside the fewest that are possible (time over the area by what is left
of a flight after take-off, landing, and the way to the nearest place) and those of a typical place, at the mean distance; and
the longest flight by the shortest. For several drones: the longest drone's time beside an equal share of the time of one.
"""

import math
import os
import sys
import time
from pathlib import Path

import numpy as np

from imagery.core.camera import find_camera
from planner.area import read_area
from planner.drone import find_drone
from planner.flight_time import cruise_seconds
from planner.survey import SurveyPlan, SurveySpec, plan_survey

DATA = Path(os.environ.get("SKYRELIEF_DATA", Path(__file__).parents[2] / "../shared/data"))
AREAS = ("A_convex", "L_shape", "U_shape", "H_nofly", "B_10km2")
MINUTES, DRONES = (20, 30, 45), (2, 4)


def main() -> None:
    """Print both tables for the areas named on the command line, or all."""
    areas = sys.argv[1:] or AREAS
    one = {name: planned(name) for name in areas}
    print(
        f"{'area':<12}"
        + "".join(
            f"{c:>12}" for c in ("usable_min", "flights", "fewest", "typical", "longest_s", "ratio", "planning_s")
        )
    )
    for name in areas:
        for minutes in MINUTES:
            start = time.perf_counter()
            plan = planned(name, usable_s=60.0 * minutes)
            took_s = time.perf_counter() - start
            least, typical = fewest(one[name], 60.0 * minutes)
            seconds = [flight.duration_s for flight in plan.flights]
            row = f"{minutes:>12}{len(seconds):>12}{least:>12}{typical:>12}{max(seconds):>12.0f}"
            print(f"{name:<12}{row}{max(seconds) / min(seconds):>12.3f}{took_s:>12.1f}", flush=True)
    print(f"\n{'area':<12}" + "".join(f"{c:>12}" for c in ("drones", "longest_s", "share_s", "ratio")))
    for name in areas:
        total_s = sum(flight.duration_s for flight in one[name].flights)
        for drones in DRONES:
            flights = planned(name, drones=drones).flights
            longest = max(sum(f.duration_s for f in flights if f.drone == k) for k in range(1, drones + 1))
            print(f"{name:<12}{drones:>12}{longest:>12.0f}{total_s / drones:>12.0f}{longest * drones / total_s:>12.3f}")


def planned(name: str, **more: float) -> SurveyPlan:
    """A Mavic 3E's plan at 2 cm, 10 m/s."""
    area = read_area(DATA / f"areas/bench/{name}.geojson")
    spec = SurveySpec(area, find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e"), gsd_cm=2.0, speed_m_s=10.0, **more)
    return plan_survey(spec)


def fewest(plan: SurveyPlan, usable_s: float) -> tuple[int, int]:
    """Flights that a survey planned without a limit of endurance needs, with every place as near as the nearest, or the mean."""
    work_s = sum(cruise_seconds(f.path[f.lines[0, 0] : f.lines[-1, 1] + 1], plan.motion) for f in plan.flights)
    places = np.concatenate([flight.photos[:, :2] for flight in plan.flights])
    away_m = np.hypot(*(places - plan.flights[0].path[0, :2]).T)
    left_s = usable_s - plan.motion.take_off_and_land_s(float(plan.flights[0].path[0, 2]))
    near, mean = (left_s - 2 * float(metres) / plan.motion.speed_m_s for metres in (away_m.min(), away_m.mean()))
    return math.ceil(work_s / near), math.ceil(work_s / mean)


if __name__ == "__main__":
    main()
