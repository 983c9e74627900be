"""The whole loop on a generated world: area, plan, flight, photos, products, and how far they are from the truth.

Every step does what the command named beside it does, through the same functions, on files of the operation folder, so that
each can be repeated by hand.
"""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagery.core.errors import BadInputError
from imagery.core.files import write_json, write_text
from imagery.core.progress import SILENT, Progress
from planner.app.operation import Operation

if TYPE_CHECKING:
    from imagery.core.camera import Camera
    from sitl.world import World

__all__ = ["Demo", "closing", "run_demo"]

MARKER = "skyrelief-demo.json"


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo plays.

    Attributes: seed: of the world; area_m: the surveyed area, east-west and north-south; margin_m: of the world around it;
    cell_m: of the world's rasters; camera: id in the catalogue; binning: the camera's pixels are averaged so many by so many;
    gsd_cm: asked of the plan; speedup: of the simulated vehicle's clock.
    """

    seed: int = 7
    area_m: tuple[float, float] = (300.0, 240.0)
    margin_m: float = 60.0
    cell_m: float = 0.08
    camera: str = "dji-mavic-3e"
    binning: int = 3
    gsd_cm: float = 7.0
    overlap: tuple[int, int] = (75, 65)
    speedup: float = 20.0


@dataclass(frozen=True, slots=True)
class _Stage:
    """What the steps share: where things go, what is played, how to report."""

    operation: Operation
    demo: Demo
    progress: Progress
    say: Callable[[str], None]
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def camera_file(self) -> Path:
        return self.operation.area / "camera.toml"

    @property
    def area_file(self) -> Path:
        return self.operation.area / "area.geojson"

    @property
    def world(self) -> Path:
        return self.operation.folder / "world"


def run_demo(
    folder: str | Path, demo: Demo = Demo(), progress: Progress = SILENT, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Play the whole loop into a folder and return every step's figures.

    The folder is emptied first if an earlier demo made it; BadInputError if it holds anything else.
    """
    operation = Operation(Path(folder))
    _prepare(operation)
    stage = _Stage(operation, demo, progress, say)
    began = time.monotonic()
    world = _world(stage)
    _plan(stage)
    _fly(stage, world)
    _photograph(stage, world)
    _stitch(stage)
    _damage(stage)
    _sites(stage)
    _needs(stage)
    _report(stage)
    _compare(stage, world)
    stage.results["seconds"] = round(time.monotonic() - began, 1)
    write_json(operation.folder / MARKER, stage.results)
    return stage.results


def closing(folder: str | Path, results: dict[str, Any]) -> list[str]:
    """The demo's last lines: every file it made, and how far the results are from the truth."""
    folder = Path(folder)
    mosaic, surface, damage = (results["truth"][part] for part in ("mosaic", "surface", "damage"))
    sites, displaced = results["sites"], results["needs"]["displaced"]
    right = sum(damage["confusion"][grade][grade] for grade in range(4))
    graded = sum(sum(row[:4]) for row in damage["confusion"])
    lines = ["", f"Made in {results['seconds']:.0f} s:"]
    lines += [f"  {folder / path}" for path in _products(folder)]
    lines += [
        f"  {folder / 'photos'}: {results['photos']} photos; {folder / 'world' / 'truth'}: what is really there",
        "",
        "Against the known truth:",
        f"  orthomosaic   off by {math.hypot(*mosaic['mean_m']):.2f} m as a whole (consumer GNSS),"
        f" {mosaic['spread_m']:.2f} m within; a pixel is {mosaic['gsd_m']:.2f} m",
        f"  heights       off by {surface['median_m']:+.2f} m as a whole, {surface['nmad_m']:.2f} m around that (NMAD)",
        f"  buildings     {right} of {graded} graded right, {damage['within_one']:.0%} within one grade;"
        f" {sum(map(sum, damage['confusion'])) - graded} not analysed",
        f"  tent sites    {len(sites['sites'])} for {sites['persons']} people; rules broken: {sites['rules_broken']}",
        f"  displaced     {displaced['p10']}-{displaced['p90']} people (P10-P90)",
        "",
        f"Open {folder / 'report.html'} in a browser.",
    ]
    return lines


def _products(folder: Path) -> list[Path]:
    """Every file in the folder but photos, truth and working files, relative to it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    hidden = {"photos", "world", MARKER}
    return sorted(
        path for path in found if path.parts[0] not in hidden and not any(part[0] == "." for part in path.parts)
    )


def _prepare(operation: Operation) -> None:
    folder = operation.folder
    if folder.exists() and not folder.is_dir():
        raise BadInputError(f"{folder}: is a file; give a folder for the demo")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise BadInputError(f"{folder}: holds something else; give an empty or new folder for the demo")
        shutil.rmtree(folder)
    write_json(folder / MARKER, {"state": "unfinished"})


def _world(stage: _Stage) -> "World":
    """A settlement after an earthquake, and what is known of it beforehand: the area, old footprints, an old image."""
    import numpy as np
    import shapely

    from planner.app.train import jittered
    from sitl.world import World

    demo, area = stage.demo, stage.operation.area
    stage.say("1. a village after an earthquake (generated, so that the truth is known)")
    size = (demo.area_m[0] + 2 * demo.margin_m, demo.area_m[1] + 2 * demo.margin_m)
    world = World.generate(demo.seed, size_m=size, cell_m=demo.cell_m, margin_m=demo.margin_m, progress=stage.progress)
    world.save(stage.world, stage.progress)
    home = {"home": [world.home.lat_deg, world.home.lon_deg], "name": "Demo village"}
    feature = {"type": "Feature", "properties": home, "geometry": json.loads(shapely.to_geojson(world.area))}
    write_json(stage.area_file, {"type": "FeatureCollection", "features": [feature]})
    footprints = jittered(world.buildings, np.random.default_rng(demo.seed))
    footprints.to_crs(4326).to_file(area / "buildings.geojson", driver="GeoJSON")
    for name in ("roads", "water"):
        world.layers[name].to_crs(4326).to_file(area / f"{name}.geojson", driver="GeoJSON")
    shutil.copy(stage.world / "truth" / "pre_ortho.tif", area / "pre.tif")
    write_text(stage.camera_file, _camera_toml(_camera(demo), demo))
    stage.results["world"] = {"buildings": len(world.buildings), "seed": demo.seed}
    return world


def _camera(demo: Demo) -> "Camera":
    from imagery.core.camera import find_camera

    return find_camera(demo.camera).scaled(1 / demo.binning)


def _camera_toml(camera: "Camera", demo: Demo) -> str:
    return (
        f'id = "{demo.camera}-binned"\nname = "{camera.name}, {demo.binning} x {demo.binning} pixels averaged"\n'
        f'make = "{camera.make}"\nmodels = {json.dumps(list(camera.models))}\n'
        f"width_px = {camera.width_px}\nheight_px = {camera.height_px}\n"
        f"sensor_width_mm = {camera.sensor_width_mm}\nsensor_height_mm = {camera.sensor_height_mm}\n"
        f"focal_length_mm = {camera.focal_length_mm}\nmin_interval_s = {camera.min_interval_s}\n"
        f'source = "{camera.source}"\n'
    )


def _command(stage: _Stage, *words: object) -> None:
    stage.say("   $ skyrelief " + " ".join(str(word) for word in words))


def _plan(stage: _Stage) -> None:
    from imagery.core.camera import load_camera
    from planner.app.commands.plan import write_plan
    from planner.area import read_area
    from planner.drone import drone_for_camera
    from planner.survey import SurveySpec, plan_survey

    demo, operation = stage.demo, stage.operation
    front, side = demo.overlap
    stage.say("2. the survey's plan")
    _command(stage, "plan", stage.area_file, "-o", operation.plan, "--camera", stage.camera_file,
             "--gsd", demo.gsd_cm, "--overlap", f"{front}/{side}")  # fmt: skip
    drone = drone_for_camera(demo.camera)
    spec = SurveySpec(
        area=read_area(stage.area_file),
        camera=load_camera(stage.camera_file),
        drone=drone,
        gsd_cm=demo.gsd_cm,
        front_overlap=front / 100,
        sidelap=side / 100,
        usable_s=drone.usable_s,
    )
    stage.results["plan"] = write_plan(plan_survey(spec, stage.progress), operation.plan)


def _fly(stage: _Stage, world: "World") -> None:
    """Every flight on a fresh simulated copter, through the same code that flies a real one."""
    from planner.app.flights import flight_number, read_flight
    from planner.link.flight import fly
    from sitl.autopilot.copter import Copter
    from sitl.autopilot.place import Place
    from sitl.endpoint import serve
    from sitl.fleet import BATTERY_MAH

    operation = stage.operation
    stage.say("3. the flights, on a simulated copter over MAVLink")
    missions = sorted(operation.plan.glob("flight-*.plan"))
    planned = taken = 0
    for path in missions:
        place = Place(world.home.lat_deg, world.home.lon_deg, world.home.height_amsl_m)
        copter = Copter(place, parameters={"CAM1_TYPE": 1, "BATT_CAPACITY": BATTERY_MAH}, seed=stage.demo.seed)
        with serve(copter, "tcp:127.0.0.1:0", speedup=stage.demo.speedup) as endpoint:
            _command(stage, "fly", path, "--connect", endpoint.url, "-o", operation.flights)
            log = fly(
                read_flight(path),
                endpoint.url,
                operation.flights,
                confirm=lambda: True,
                flight=flight_number(path),
                progress=stage.progress,
            )
        planned, taken = planned + log.photos_planned, taken + log.photos
    stage.results["fly"] = {"flights": len(missions), "photos_planned": planned, "photos": taken}


def _photograph(stage: _Stage, world: "World") -> None:
    """What the camera saw at each exposure of the log, with the errors of a consumer's satellite receiver."""
    from imagery.core.camera import load_camera
    from imagery.core.photolog import read_photo_log, write_photo_log
    from sitl.camera import photograph

    operation = stage.operation
    stage.say("4. the photos, rendered where the copter took them")
    log = operation.flights / "photos.csv"
    taken = photograph(
        world,
        load_camera(stage.camera_file),
        read_photo_log(log),
        operation.photos,
        seed=stage.demo.seed,
        truth_path=stage.world / "truth" / "poses.json",
        progress=stage.progress,
    )
    write_photo_log(log, taken)
    stage.results["photos"] = len(taken)


def _stitch(stage: _Stage) -> None:
    from imagery.batch import stitch

    operation = stage.operation
    stage.say("5. orthomosaic and surface")
    _command(stage, "stitch", operation.photos, "-o", operation.stitch)
    stage.results["stitch"] = stitch(operation.photos, operation.stitch, progress=stage.progress)


def _damage(stage: _Stage) -> None:
    from imagery.damage import grade_damage

    operation = stage.operation
    pre, buildings = operation.area / "pre.tif", operation.area / "buildings.geojson"
    stage.say("6. damaged buildings")
    _command(stage, "damage", operation.stitch, "-o", operation.damage, "--pre", pre, "--buildings", buildings)
    result = grade_damage(operation.stitch, out=operation.damage, pre=pre, buildings=buildings, progress=stage.progress)
    stage.results["damage"] = result.to_json()


def _sites(stage: _Stage) -> None:
    from planner.app.commands.sites import sites_of

    operation = stage.operation
    options = {name: operation.area / f"{name}.geojson" for name in ("roads", "water")} | {"damage": operation.damage}
    stage.say("7. tent sites")
    words = [word for name, path in options.items() for word in (f"--{name}", path)]
    _command(stage, "sites", operation.stitch, "-o", operation.sites, *words)
    stage.results["sites"] = sites_of(operation.stitch, operation.sites, options, stage.progress)


def _needs(stage: _Stage) -> None:
    from imagery.needs import compute_needs

    operation = stage.operation
    stage.say("8. what is needed")
    _command(stage, "needs", operation.damage, "--sites", operation.sites, "-o", operation.needs)
    stage.results["needs"] = compute_needs(operation.damage, operation.sites, out=operation.needs).to_json()


def _report(stage: _Stage) -> None:
    from imagery.report import write_report
    from planner.app.commands.report import report_files

    operation = stage.operation
    stage.say("9. the report")
    _command(stage, "report", operation.folder, "-o", operation.report)
    files = replace(report_files(operation), title="Demo village (simulated)")
    write_report(files, operation.report, progress=stage.progress)


def _compare(stage: _Stage, world: "World") -> None:
    from sitl.truth import compare_stitch, damage_error

    operation = stage.operation
    stage.say("10. against the truth")
    with stage.progress.stage("comparing with the truth"):
        stage.results["truth"] = {
            **compare_stitch(world, operation.stitch, stage.world / "truth" / "poses.json"),
            "damage": asdict(damage_error(world, operation.damage)),
        }
