"""How SkyRelief's plans compare: `python -m tests.benchmarks.bench_plan` prints home-to-home seconds beside other planners'.

The areas are those of `SKYRELIEF_DATA`/areas/bench, and the project's own nasty ones. All are flown by one Mavic 3E: 2 cm, 75/70,
10 m/s, 1 m clearance, one flight, no wind; every plan is scored by tests/oracles/plan_score.py. Lines may end inside the edge
where the photos still see enough; `to_edge_s` is SkyRelief with every line flown to the area's edge, as the others do, and
`one_angle_s` the best single angle for the whole area, to the edge, as the best of the others do, in SkyRelief's own order.
`ratio` is seconds by the bound, which holds for full overlap up to the edge of one area: areas narrower than a photo can be below
it, and areas far apart must be far above. Planning times are seconds of the processor and of the clock, beside their limits; how
busy the machine is stands above them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import shapely

from imagery.core.camera import find_camera
from planner.area import Area, read_area
from planner.coverage.choose import choose
from planner.drone import find_drone
from planner.formats import plan_geojson
from planner.site import lay_out
from planner.spec import SurveySpec, pace
from planner.survey import plan_survey, task_of
from tests.oracles.plan_score import score
from tests.planner.nasty import NASTY, to_degrees

DATA = Path(os.environ.get("SKYRELIEF_DATA", Path(__file__).parents[2] / "../shared/data"))
AREAS = ("A_convex", "L_shape", "U_shape", "H_nofly", "B_10km2")
HARD = (
    "comb",
    "star",
    "river",
    "holes",
    "spiral",
    "islands",
    "courtyard",
    "hourglass",
    "letter",
    "valleys",
    "buildings",
)
PUBLISHED = {
    "QGroundControl, default": (1325, 1923, 1971, 1856, 35363),
    "QGroundControl, best angle": (1199, 1609, 1671, 1731, 33690),
    "Mission Planner, default": (1188, 1608, 1750, 1725, 33544),
    "Fields2Cover 2.1": (1189, 1607, 1710, 1768, 33786),
    "opencoverage, best pattern": (1209, 1698, 1906, 1801, 35121),
    "HOT drone-flightplan 1.0": (1738, 2562, 2829, 2504, 48452),
    "best known": (1172, 1607, 1671, 1635, 33321),
}


def main() -> None:
    """Print the tables."""
    if hasattr(os, "getloadavg"):
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    if (DATA / "areas/bench").is_dir():
        rows = {name: measured(read_area(DATA / f"areas/bench/{name}.geojson")) for name in AREAS}
        print_published(rows)
        print_details(rows)
        print_start_to_end()
    else:
        print(f"no shared data at {DATA}: set SKYRELIEF_DATA for the published comparison")
    print_details({name: measured(Area(name, to_degrees(NASTY[name]()))) for name in HARD})
    print_hundred()


def measured(area: Area) -> dict[str, float]:
    """Scores of the plan for an area, its planning seconds, and the seconds with lines to the edge."""
    spec = spec_of(area)
    start, start_cpu = time.perf_counter(), time.process_time()
    plan = plan_survey(spec)
    planning_s, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    with tempfile.TemporaryDirectory() as folder:
        plan_geojson.write(plan, Path(folder) / "plan.geojson")
        result = score(json.loads((Path(folder) / "plan.geojson").read_text(encoding="utf-8")), area.polygon)
    return {
        **result,
        "ratio": result["seconds"] / result["bound_s"],
        "cpu_s": cpu_s,
        "planning_s": planning_s,
        "to_edge_s": sum(flight.cruise_s for flight in plan_survey(replace(spec, inset=False)).flights),
        "one_angle_s": one_angle_seconds(spec),
    }


def spec_of(area: Area) -> SurveySpec:
    """What is asked of every area."""
    camera, drone = find_camera("dji-mavic-3e"), find_drone("dji-mavic-3e")
    return SurveySpec(area, camera, drone, gsd_cm=2.0, speed_m_s=10.0, clearance_m=1.0)


def one_angle_seconds(spec: SurveySpec) -> float:
    """Seconds of the best sweep of the whole area at a single angle, neither cut into cells nor drawn in from the edge."""
    site = lay_out(spec.area, spec.no_fly, spec.clearance_m, spec.homes, swath_m=spec.footprint_m[0])
    return choose(replace(task_of(spec, site, pace(spec)[0]), one_angle=True, most_inset_m=0.0)).seconds


def print_published(rows: dict[str, dict[str, float]]) -> None:
    """Home-to-home seconds beside the published ones."""
    print("home-to-home seconds" + " " * 12 + "".join(f"{name:>10}" for name in rows))
    for planner, seconds in PUBLISHED.items():
        print(f"{planner:<32}" + "".join(f"{value:>10}" for value in seconds))
    for label, key in (
        ("SkyRelief's, one angle for all", "one_angle_s"),
        ("SkyRelief, lines to the edge", "to_edge_s"),
        ("SkyRelief", "seconds"),
        ("bound (lines to the edge)", "bound_s"),
    ):
        print(f"{label:<32}" + "".join(f"{row[key]:>10.0f}" for row in rows.values()))
    print()


def print_details(rows: dict[str, dict[str, float]]) -> None:
    """Coverage, safety and planning time of each plan."""
    keys = (
        "seconds",
        "to_edge_s",
        "one_angle_s",
        "bound_s",
        "ratio",
        "seen1",
        "seen5",
        "photos",
        "photos_not_flown",
        "no_fly_m",
        "outside_m",
        "cpu_s",
        "planning_s",
    )
    print(f"{'area':<12}" + "".join(f"{key:>12}" for key in keys))
    for name, row in rows.items():
        print(f"{name:<12}" + "".join(f"{row[key]:>12.2f}" for key in keys))
    print()


def print_start_to_end() -> None:
    """Seconds of the whole command, start-up included, beside what it may take."""
    for name in AREAS:
        with tempfile.TemporaryDirectory() as folder:
            area = DATA / f"areas/bench/{name}.geojson"
            options = ("--speed", "10", "--clearance", "1", "--endurance", "none", "--camera", "dji-mavic-3e")
            start, before = time.perf_counter(), _children_s()
            command = [sys.executable, "-m", "planner.app.cli", "plan", str(area), "-o", folder, *options]
            subprocess.run(command, check=True, capture_output=True)
            clock, cpu = time.perf_counter() - start, _children_s() - before
            limit = 8 if name == "B_10km2" else 3
            print(
                f"skyrelief plan {name:<12} processor {cpu:6.2f} s, clock {clock:6.2f} s, start-up included (limit {limit} s)"
            )
    print()


def print_hundred() -> None:
    """Planning seconds of 100 km2, beside the limit."""
    outline = shapely.Polygon([(0, 0), (9000, -1500), (12500, 4000), (9500, 9500), (3000, 10500), (-800, 6000)])
    spec = replace(spec_of(Area("100km2", to_degrees(outline))), clearance_m=10.0)
    start, start_cpu = time.perf_counter(), time.process_time()
    plan = plan_survey(spec)
    clock, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    seen = f"seen1 {100 * plan.overlap.seen(1):.2f} %, seen5 {100 * plan.overlap.seen(5):.2f} %"
    print(
        f"{outline.area / 1e6:.0f} km2: {seen}, planned in {cpu:.1f} s of the processor, {clock:.1f} s by the clock (limit 60 s)"
    )


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
