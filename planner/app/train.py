"""Simulated events to train and measure the damage grader on: generated worlds, seen as imperfectly as real products show them.

A stitched orthomosaic is softer than the truth and differently exposed, a surface model is noisy, smeared at walls and warped by
decimetres, the earlier pair is off by metres, footprints are off by metres and not uniformly. `observe` does all of that.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import geopandas as gpd
import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray

from imagery.core.progress import SILENT, Progress
from imagery.damage.assess import measure_buildings
from imagery.damage.calibration import calibration_error, grade_sets
from imagery.damage.model import GradeModel
from imagery.damage.scene import open_scene
from imagery.damage.training import TrainingTable, train_models, write_models
from imagery.damage.vector import Labels, match_labels
from sitl.world import World

__all__ = ["Event", "figures", "held_out_events", "measure_event", "observe", "train", "training_events"]

TRAINING_PROFILES = ("village", "town", "informal", "farmland")
HELD_OUT_PROFILES = ("coast", "mountain", "village", "town")
DISASTERS = ("earthquake", "storm", "flood", "fire")
PLACES = ((13.09, 42.79), (36.9, 37.6), (85.3, 27.7), (-72.4, 18.5), (120.9, 15.4))


@dataclass(frozen=True, slots=True)
class Event:
    """One simulated event: the arguments of its world, and the seed of how it is seen."""

    seed: int
    profile: str
    disaster: str
    severity: float
    cell_m: float = 0.1
    size_m: tuple[float, float] = (320.0, 280.0)


def training_events(count: int, seed: int = 1000) -> list[Event]:
    """Events to train on; every ninth is without damage, so that a changed sun alone is no alarm."""
    return _events(count, seed, TRAINING_PROFILES, (0.2, 0.6), quiet_every=9)


def held_out_events(count: int, seed: int = 9000) -> list[Event]:
    """Events to measure on: other seeds, other profiles, other severities."""
    return _events(count, seed, HELD_OUT_PROFILES, (0.15, 0.75), quiet_every=0)


def _events(
    count: int, seed: int, profiles: Sequence[str], severity: tuple[float, float], quiet_every: int
) -> list[Event]:
    rng = np.random.default_rng(seed)
    events = []
    for index in range(count):
        quiet = quiet_every and index % quiet_every == quiet_every - 1
        disaster = "none" if quiet else DISASTERS[(index + index // len(profiles)) % len(DISASTERS)]
        share = 0.0 if quiet else round(float(rng.uniform(*severity)), 2)
        events.append(Event(seed + index, profiles[index % len(profiles)], disaster, share))
    return events


def train(
    events: list[Event], out: Path, command: str, workers: int = 1, progress: Progress = SILENT
) -> dict[str, Any]:
    """Measure events, fit the models, write the model file; returns its provenance."""
    tables = []
    with progress.stage("simulating events", len(events), "events") as advance:
        for table in _measured(events, workers):
            tables.append(table)
            advance(1)
    return fit(tables, events, out, command, progress)


def fit(
    tables: list[TrainingTable], events: list[Event], out: Path, command: str, progress: Progress = SILENT
) -> dict[str, Any]:
    """Fit the models to measured events and write the model file; returns its provenance."""
    table = TrainingTable.joined(tables)
    models = train_models(table, progress)
    provenance = {
        "what": "trained on generated worlds only; no real image, label or footprint was used",
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "events": [asdict(event) for event in events],
        "buildings": len(table.grades),
        "by_grade": np.bincount(table.grades, minlength=4).tolist(),
        "on_training_buildings": {name: figures(model, table) for name, model in models.items()},
    }
    write_models(out, models, provenance)
    return provenance


def figures(model: GradeModel, table: TrainingTable) -> dict[str, float]:
    """How well a model grades buildings of known damage: accuracy, F1s, calibration, sets, and the share of strange ones."""
    chance = model.probabilities(table.values)
    best, truth = chance.argmax(axis=1), table.grades
    sets = grade_sets(chance, model.threshold)
    result = {
        "buildings": float(len(truth)),
        "accuracy": float(np.mean(best == truth)),
        "macro_f1": float(np.mean([_f1(best == k, truth == k) for k in np.unique(truth)])),
        "damaged_f1": _f1(best >= 1, truth >= 1),
        "collapsed_accuracy": float(np.mean((best == 3) == (truth == 3))),
        "false_alarms": float(np.mean(best[truth == 0] > 0)) if (truth == 0).any() else 0.0,
        "calibration_error": calibration_error(chance, truth),
        "coverage": float(np.mean(sets[np.arange(len(truth)), truth])),
        "mean_set": float(sets.sum(axis=1).mean()),
        "not_analysed": float(np.mean((model.strangeness(table.values) > 1) | (sets.sum(axis=1) > 2))),
    }
    return {name: round(value, 4) for name, value in result.items()}


def _f1(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float(2 * np.sum(found & true) / max(int(np.sum(found) + np.sum(true)), 1))


def _measured(events: list[Event], workers: int) -> Iterator[TrainingTable]:
    if workers == 1:
        yield from map(measure_event, events)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(measure_event, events)


def measure_event(event: Event) -> TrainingTable:
    """Generate, observe and measure one event with every input there is."""
    with tempfile.TemporaryDirectory(prefix="skyrelief-train-") as folder:
        return measure_products(observe(event, Path(folder)), event.seed)


def measure_products(paths: dict[str, Path], group: int) -> TrainingTable:
    """Measure the files that `observe` wrote; buildings that the image hardly shows are left out."""
    with open_scene(paths["post"], dsm=paths["dsm"], pre=paths["pre"], pre_dsm=paths["pre_dsm"]) as scene:
        measured = measure_buildings(scene, paths["buildings"])
        truth = gpd.read_file(paths["truth"]).to_crs(scene.crs)
    # The buildings come back in the order of the truth, each where it was moved to: matched by place, not by row.
    shapes = truth.geometry.to_numpy()
    order = match_labels(measured.polygons, Labels(shapes, np.arange(len(truth))))
    known = np.isfinite(order) & (measured.evidence.covered > 0.7)
    rows = order[known].astype(int)
    return TrainingTable(
        measured.evidence.values[known],
        truth["grade"].to_numpy(int)[rows],
        truth["roof_damage_frac"].to_numpy(float)[rows],
        np.full(len(rows), group),
    )


def observe(event: Event, folder: Path) -> dict[str, Path]:
    """Write an event's products into a folder: post, pre (images), dsm, pre_dsm, buildings (jittered footprints), truth."""
    rng = np.random.default_rng([event.seed, 77])
    lon, lat = PLACES[event.seed % len(PLACES)]
    world = World.generate(
        event.seed, event.profile, lon, lat, size_m=event.size_m, cell_m=event.cell_m, margin_m=40.0,
        disaster=event.disaster, severity=event.severity,
    )  # fmt: skip
    offset = rng.normal(0, 1.0, 2)  # the earlier products' datum
    paths = {name: folder / f"{name}.tif" for name in ("post", "pre", "dsm", "pre_dsm")}
    _write(paths["post"], _photographed(world.ortho, rng), world, world.transform)
    _write(paths["pre"], _photographed(world.pre_ortho, rng), world, _moved(world.transform, *offset))
    cell = max(float(rng.uniform(0.15, 0.35)), event.cell_m)
    _write(paths["dsm"], *_surveyed(world.dsm, world, cell, rng, np.zeros(3)))
    lift = np.array([*(offset + rng.normal(0, 0.2, 2)), rng.normal(0, 1.5)])
    _write(paths["pre_dsm"], *_surveyed(world.pre_dsm, world, cell, rng, lift))
    paths |= {"truth": folder / "truth.gpkg", "buildings": folder / "buildings.gpkg"}
    world.buildings.to_file(paths["truth"], layer="buildings", engine="pyogrio")
    jittered(world.buildings, rng).to_file(paths["buildings"], layer="buildings", engine="pyogrio")
    return paths


def jittered(buildings: gpd.GeoDataFrame, rng: np.random.Generator, mean_m: float = 1.5) -> gpd.GeoDataFrame:
    """Footprints as prior sources have them: moved by a smooth field of shifts and a little each on its own."""
    centres = shapely.get_coordinates(shapely.centroid(buildings.geometry.to_numpy()))
    phase, angle = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0, 2 * np.pi)
    turn = angle + 0.6 * np.sin(centres[:, 0] / 90 + phase[0])
    size = mean_m * (1 + 0.4 * np.sin(centres[:, 1] / 70 + phase[1]))
    shift = np.column_stack([size * np.cos(turn), size * np.sin(turn)]) + rng.normal(0, 0.25, centres.shape)
    moved = [shapely.affinity.translate(shape, *s) for shape, s in zip(buildings.geometry, shift, strict=True)]
    columns = [name for name in ("id",) if name in buildings]
    return gpd.GeoDataFrame(buildings[columns].reset_index(drop=True), geometry=moved, crs=buildings.crs)


def _photographed(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Softened, exposed and coloured differently, noisy, JPEG-compressed."""
    soft = cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.3, 1.0))).astype(np.float32) / 255
    gamma, gain, tint = rng.uniform(0.8, 1.25), rng.uniform(0.8, 1.2), rng.uniform(0.94, 1.06, 3)
    seen = np.clip(soft**gamma * gain * tint, 0, 1) * 255
    seen += rng.normal(0, rng.uniform(0.5, 3), seen.shape[:2])[..., None]
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 95))]
    packed = cv2.imencode(".jpg", np.clip(seen, 0, 255).astype(np.uint8), quality)[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR_BGR), np.uint8)


def _surveyed(
    height: NDArray[np.float32], world: World, cell_m: float, rng: np.random.Generator, shift: NDArray[np.float64]
) -> tuple[NDArray[np.float32], World, Affine]:
    """A surface as dense matching makes it: coarser, smeared over walls, with correlated noise of 5-15 cm and a slow warp."""
    scale = world.cell_m / cell_m
    size = (max(round(height.shape[1] * scale), 2), max(round(height.shape[0] * scale), 2))
    coarse = cv2.resize(height, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.medianBlur(cv2.GaussianBlur(coarse, (0, 0), float(rng.uniform(0.3, 1.2))), 3)
    noise = cv2.GaussianBlur(np.asarray(rng.normal(0, 1, coarse.shape)), (0, 0), float(rng.uniform(0.8, 3)))
    coarse += (noise / noise.std() * rng.uniform(0.05, 0.15)).astype(np.float32)
    warp = cv2.resize(rng.normal(0, 0.12, (4, 4)), size, interpolation=cv2.INTER_CUBIC)
    heights = np.asarray(coarse + warp + shift[2], np.float32)
    return (
        heights,
        world,
        _moved(world.transform, shift[0], shift[1], height.shape[1] / size[0], height.shape[0] / size[1]),
    )


def _moved(transform: Affine, east_m: float, north_m: float, wider: float = 1.0, taller: float = 1.0) -> Affine:
    """A north-up transform moved, with cells so many times as wide and tall."""
    return Affine(transform.a * wider, 0, transform.c + east_m, 0, transform.e * taller, transform.f + north_m)


def _write(path: Path, values: NDArray[Any], world: World, transform: Affine) -> None:
    bands = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
        crs=world.crs, transform=transform, tiled=True, compress="deflate", predictor=2 if bands.dtype == np.uint8 else 3,
    ) as target:  # fmt: skip
        target.write(bands)
