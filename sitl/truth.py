"""How far results are from a world's truth: orthomosaic, surface, camera poses and damage grades.

Everything is measured from the files that the commands write, against the world that the photos were taken of.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import geopandas as gpd
import numpy as np
import pyproj
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling

from imagery.core.errors import BadInputError, NotEnoughDataError
from sitl.world import World

__all__ = [
    "DamageError", "MosaicError", "PoseError", "SurfaceError", "compare_stitch", "damage_error", "mosaic_error", "pose_error",
    "surface_error",
]  # fmt: skip

TILE_PX = 192
GRADES = 4


@dataclass(frozen=True, slots=True)
class MosaicError:
    """Where the orthomosaic's details lie against where they are, in metres.

    mean_m: east, north; rmse_m, median_m, p95_m: of the distances of `tiles` places; spread_m: the RMSE after taking the mean
    away; gsd_m: the mosaic's; covered: share of the survey area with a picture.
    """

    mean_m: tuple[float, float]
    rmse_m: float
    median_m: float
    p95_m: float
    spread_m: float
    tiles: int
    gsd_m: float
    covered: float


@dataclass(frozen=True, slots=True)
class SurfaceError:
    """Surface heights minus true heights, metres: over everything,
    and ground_*: on bare ground; completeness: share of the survey
    area that has a height."""

    median_m: float
    nmad_m: float
    rmse_m: float
    ground_median_m: float
    ground_nmad_m: float
    completeness: float


@dataclass(frozen=True, slots=True)
class PoseError:
    """Camera positions (metres: east, north, up RMSE; internal_m: after the best similarity) and directions (degrees, median)."""

    rmse_m: tuple[float, float, float]
    internal_m: float
    angle_deg: float
    cameras: int
    missing: int


@dataclass(frozen=True, slots=True)
class DamageError:
    """Grades against the truth. confusion: rows true grade 0-3, columns said 0-3, not analysed,
    not found; accuracy and macro_f1
    over the graded ones; within_one: share at most one grade off; calibration_error: expected, over ten bins,
    or None without p0..p3."""

    confusion: list[list[int]]
    accuracy: float
    macro_f1: float
    within_one: float
    graded: float
    calibration_error: float | None


def compare_stitch(world: World, stitch_dir: str | Path, photos_truth: str | Path | None = None) -> dict[str, Any]:
    """The errors of a stitch folder as nested dicts: `mosaic`, `surface` and, with the photos' true poses, `poses`."""
    folder = Path(stitch_dir)
    out: dict[str, Any] = {
        "mosaic": asdict(mosaic_error(world, folder / "ortho.tif")), "surface": asdict(surface_error(world, folder / "dsm.tif")),
    }  # fmt: skip
    if photos_truth is not None:
        out["poses"] = asdict(pose_error(world, folder / "reconstruction.json", photos_truth))
    return out


def mosaic_error(world: World, ortho_path: str | Path) -> MosaicError:
    """Local offsets of an orthomosaic by phase correlation with the true one, tile by tile.

    A first correlation of the whole picture at a coarse scale finds offsets larger than a tile. Raises NotEnoughDataError
    where the two have too little in common.
    """
    picture, seen, resolution, gsd_m = _on_world_grid(world, Path(ortho_path))
    truth = _grey(_reduced(world.ortho, world.cell_m, resolution, picture.shape[:2]))
    shift = _coarse_shift(truth, picture, seen, resolution)
    offsets = _local_offsets(truth, picture, seen, shift) * resolution
    if len(offsets) < 4:
        raise NotEnoughDataError(f"{ortho_path}: too little in common with the world to measure its offset")
    offsets[:, 1] *= -1  # rows count southwards
    distance = np.hypot(*offsets.T)
    mean = offsets.mean(0)
    inside = _area_mask(world, resolution, seen.shape)
    return MosaicError(
        mean_m=(float(mean[0]), float(mean[1])),
        rmse_m=float(np.sqrt(np.mean(distance**2))),
        median_m=float(np.median(distance)),
        p95_m=float(np.quantile(distance, 0.95)),
        spread_m=float(np.sqrt(np.mean(np.sum((offsets - mean) ** 2, 1)))),
        tiles=len(offsets),
        gsd_m=gsd_m,
        covered=float(seen[inside].mean()),
    )


def surface_error(world: World, dsm_path: str | Path) -> SurfaceError:
    """Height errors of a surface model at its own resolution, inside the survey area."""
    with _opened(Path(dsm_path)) as source:
        resolution = _resolution_m(source, world)
        transform, shape = _grid(world, resolution)
        with WarpedVRT(
            source, crs=world.crs.to_wkt(), transform=transform, width=shape[1], height=shape[0], resampling=Resampling.bilinear,
            dtype="float32", nodata=source.nodata if source.nodata is not None else -9999.0,
        ) as warped:  # fmt: skip
            heights = warped.read(1, masked=True).filled(np.nan).astype(np.float64)
    true = _reduced(world.dsm, world.cell_m, resolution, shape).astype(float)
    above = true - _reduced(world.dtm, world.cell_m, resolution, shape)
    inside = _area_mask(world, resolution, shape)
    known = inside & np.isfinite(heights)
    if known.sum() < 100:
        raise NotEnoughDataError(f"{dsm_path}: hardly any height inside the survey area")
    error = heights[known] - true[known]
    ground = error[above[known] < 0.3]
    return SurfaceError(
        *_robust(error),
        float(np.sqrt(np.mean(error**2))),
        *_robust(ground),
        completeness=float(known.sum() / inside.sum()),
    )


def pose_error(world: World, reconstruction_path: str | Path, photos_truth: str | Path) -> PoseError:
    """Camera positions and directions of a reconstruction.json against the exact poses that `photograph` wrote."""
    reconstruction = _json(Path(reconstruction_path))
    truth = _json(Path(photos_truth))
    try:
        images, exact = reconstruction["images"], truth["images"]
        to_crs = pyproj.Transformer.from_crs(world.frame.crs, reconstruction["crs"], always_xy=True)
        names = {Path(name).name: name for name in images if Path(name).name in exact}
        said = np.array([images[full]["position"] for full in names.values()], float).reshape(-1, 3)
        local = np.array([exact[name]["position"] for name in names], float).reshape(-1, 3)
        directions = [
            (np.array(images[full]["rotation"], float), np.array(exact[name]["rotation"], float))
            for name, full in names.items()
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{reconstruction_path}: not a reconstruction, or of other photos ({error})") from error
    if len(names) < 3:
        raise NotEnoughDataError(f"{reconstruction_path}: only {len(names)} of the photos have known poses")
    true = np.column_stack([*to_crs.transform(local[:, 0], local[:, 1]), local[:, 2]])
    turn = _convergence(to_crs, local.mean(0))
    angles = [_angle_deg(a @ turn @ b.T) for a, b in directions]
    rmse = np.sqrt(np.mean((said - true) ** 2, 0))
    return PoseError(
        (float(rmse[0]), float(rmse[1]), float(rmse[2])),
        _internal(said, true),
        float(np.median(angles)),
        len(names),
        len(exact) - len(names),
    )


def damage_error(world: World, damage_path: str | Path, layer: str = "builtUpA") -> DamageError:
    """Grades of a damage.gpkg against the world's buildings, each compared with the result that overlaps it most."""
    try:
        said = gpd.read_file(damage_path, layer=layer).to_crs(world.crs)
    except (OSError, ValueError) as error:
        raise BadInputError(f"{damage_path}: no readable layer {layer} ({error})") from error
    except Exception as error:  # pyogrio raises its own classes, which share no public base
        raise BadInputError(f"{damage_path}: no readable layer {layer} ({error})") from error
    true = world.buildings
    if "grade" not in true or not len(true):
        raise NotEnoughDataError("this world has no graded buildings")
    true = true[true.intersects(_area(world))]
    match = _best_overlaps(list(true.geometry), list(said.geometry))
    confusion = np.zeros((GRADES, GRADES + 2), int)
    confident: list[tuple[float, bool]] = []
    for grade, k in zip(true["grade"].astype(int), match, strict=True):
        value = None if k is None else said["jds_grade"].iloc[k]
        number = _grade_number(value)
        confusion[grade, GRADES + 1 if k is None else GRADES if number is None else number] += 1
        if k is not None and number is not None and {"p0", "p1", "p2", "p3"} <= set(said.columns):
            chances = said[["p0", "p1", "p2", "p3"]].iloc[k].to_numpy(float)
            if np.isfinite(chances).all():
                confident.append((float(chances.max()), int(chances.argmax()) == grade))
    return _scores(confusion, confident)


def _scores(confusion: NDArray[np.int_], confident: list[tuple[float, bool]]) -> DamageError:
    graded = confusion[:, :GRADES]
    total = max(1, int(graded.sum()))
    apart = abs(np.subtract.outer(np.arange(GRADES), np.arange(GRADES)))
    f1 = [
        2 * graded[k, k] / (graded[k].sum() + graded[:, k].sum())
        for k in range(GRADES)
        if graded[k].sum() + graded[:, k].sum()
    ]
    return DamageError(
        confusion=confusion.tolist(),
        accuracy=float(np.trace(graded) / total),
        macro_f1=float(np.mean(f1)) if f1 else 0.0,
        within_one=float(graded[apart <= 1].sum() / total),
        graded=float(graded.sum() / max(1, confusion.sum())),
        calibration_error=_calibration_error(confident),
    )


def _calibration_error(confident: list[tuple[float, bool]]) -> float | None:
    """Expected calibration error over ten bins of confidence."""
    if not confident:
        return None
    chance, right = (np.array(column, float) for column in zip(*confident, strict=True))
    bins = np.minimum((chance * 10).astype(int), 9)
    return float(
        sum(abs(chance[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    )


def _grade_number(value: Any) -> int | None:
    """A grade 0-3 from a number or one of the Joint Damage Scale's names; anything else is "not analysed"."""
    names = {"no-damage": 0, "minor-damage": 1, "major-damage": 2, "destroyed": 3}
    if isinstance(value, str):
        return names.get(value.strip().lower(), int(value) if value.strip() in ("0", "1", "2", "3") else None)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number in (0, 1, 2, 3) else None


def _best_overlaps(true: list[shapely.Geometry], said: list[shapely.Geometry]) -> list[int | None]:
    """For each true footprint the result that covers most of it, at least three tenths."""
    tree = shapely.STRtree(said)
    out: list[int | None] = []
    for shape in true:
        near = tree.query(shape, predicate="intersects")
        shares = [shapely.intersection(shape, said[k]).area / shape.area for k in near]
        out.append(int(near[int(np.argmax(shares))]) if shares and max(shares) >= 0.3 else None)
    return out


def _opened(path: Path) -> Any:
    try:
        return rasterio.open(path)
    except rasterio.errors.RasterioIOError as error:
        raise BadInputError(f"{path}: not a readable raster ({error})") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: cannot be read ({error})") from error
    return found


def _resolution_m(source: Any, world: World) -> float:
    """Cell size of a raster in metres, never finer than the world's."""
    if source.crs is None:
        raise BadInputError(f"{source.name}: has no coordinate reference system")
    metres = abs(source.transform.a) if source.crs.is_projected else abs(source.transform.a) * 111_000
    return max(float(metres), world.cell_m)


def _grid(world: World, resolution: float) -> tuple[Affine, tuple[int, int]]:
    """The world's own extent at another cell size."""
    rows, cols = world.dsm.shape
    shape = (int(rows * world.cell_m / resolution), int(cols * world.cell_m / resolution))
    return Affine(resolution, 0, world.transform.c, 0, -resolution, world.transform.f), shape


def _reduced(raster: NDArray[Any], cell_m: float, resolution: float, shape: tuple[int, int]) -> NDArray[Any]:
    """A world's raster averaged to a coarser grid with the same corner."""
    rows, cols = round(shape[0] * resolution / cell_m), round(shape[1] * resolution / cell_m)
    return np.asarray(cv2.resize(raster[:rows, :cols], shape[::-1], interpolation=cv2.INTER_AREA))


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def _on_world_grid(world: World, path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_], float, float]:
    """An orthomosaic in grey on the world's extent, where it has a picture, the cell size,
    and its own ground sampling distance."""
    with _opened(path) as source:
        resolution = _resolution_m(source, world)
        own = abs(source.transform.a) * (1 if source.crs.is_projected else 111_000)
        transform, shape = _grid(world, resolution)
        with WarpedVRT(
            source, crs=world.crs.to_wkt(), transform=transform, width=shape[1], height=shape[0],
            resampling=Resampling.bilinear, add_alpha=True
        ) as warped:  # fmt: skip
            bands = warped.read([1, 2, 3])
            seen = warped.dataset_mask() > 127
    return _grey(np.ascontiguousarray(np.moveaxis(bands, 0, -1))), seen, resolution, float(own)


def _area(world: World) -> shapely.Polygon:
    to_crs = pyproj.Transformer.from_crs("EPSG:4326", world.crs, always_xy=True)
    return shapely.transform(world.area, lambda xy: np.column_stack(to_crs.transform(xy[:, 0], xy[:, 1])))


def _area_mask(world: World, resolution: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    ring = np.asarray(_area(world).exterior.coords)
    pixels = np.column_stack([ring[:, 0] - world.transform.c, world.transform.f - ring[:, 1]]) / resolution
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(pixels).astype(np.int32)], 1)
    return mask.astype(bool)


def _coarse_shift(
    truth: NDArray[np.float32], picture: NDArray[np.float32], seen: NDArray[np.bool_], resolution: float
) -> NDArray[np.int_]:
    """The whole picture's shift (columns, rows) against the truth, in whole pixels, from pictures of half a metre a pixel."""
    factor = max(1.0, 0.5 / resolution)
    size = (max(32, int(truth.shape[1] / factor)), max(32, int(truth.shape[0] / factor)))
    filled = np.where(seen, picture, picture[seen].mean() if seen.any() else 0.0).astype(np.float32)
    masked = np.where(seen, truth, truth[seen].mean() if seen.any() else 0.0).astype(np.float32)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (masked, filled)]
    (dx, dy), response = cv2.phaseCorrelate(*(image.astype(np.float64) for image in small))
    scale = np.array([truth.shape[1] / size[0], truth.shape[0] / size[1]])
    return np.round(np.array([dx, dy]) * scale * (response > 0.05)).astype(int)


def _local_offsets(
    truth: NDArray[np.float32], picture: NDArray[np.float32], seen: NDArray[np.bool_], shift: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Offsets (columns, rows in pixels) of tiles with a clear peak; (n, 2)."""
    window = cv2.createHanningWindow((TILE_PX, TILE_PX), cv2.CV_64F)
    dx, dy = (int(v) for v in shift)
    rows, cols = truth.shape
    offsets = []
    for r in range(max(0, -dy), min(rows, rows - dy) - TILE_PX, TILE_PX):
        for c in range(max(0, -dx), min(cols, cols - dx) - TILE_PX, TILE_PX):
            moved = (slice(r + dy, r + dy + TILE_PX), slice(c + dx, c + dx + TILE_PX))
            if not seen[moved].all():
                continue
            true, said = _even(truth[r : r + TILE_PX, c : c + TILE_PX]), _even(picture[moved])
            if min(true.std(), said.std()) < 2:
                continue
            (x, y), response = cv2.phaseCorrelate(true, said, window)
            if response > 0.1:
                offsets.append((x + dx, y + dy))
    return np.array(offsets, float).reshape(-1, 2)


def _even(tile: NDArray[np.float32]) -> NDArray[np.float64]:
    """A tile without its slow changes of brightness, so that exposure does not count."""
    wide = tile.astype(np.float64)
    return np.asarray(wide - cv2.GaussianBlur(wide, (0, 0), 12))


def _robust(error: NDArray[np.float64]) -> tuple[float, float]:
    """Median and normalised median absolute deviation."""
    if not len(error):
        return float("nan"), float("nan")
    median = float(np.median(error))
    return median, float(1.4826 * np.median(abs(error - median)))


def _convergence(to_crs: pyproj.Transformer, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation by the meridian convergence: directions in the local frame's axes to those in the projection's."""
    x, y = to_crs.transform([at[0], at[0]], [at[1] - 50, at[1] + 50])
    angle = np.arctan2(x[1] - x[0], y[1] - y[0])
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])


def _angle_deg(rotation: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


def _internal(said: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """RMSE in metres after the best similarity transformation (Umeyama 1991)."""
    a, b = said - said.mean(0), true - true.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = np.trace(np.diag(d) @ sign) / max((a**2).sum(), 1e-12)
    rest = b - scale * a @ (u @ sign @ vt).T
    return float(np.sqrt((rest**2).sum(1).mean()))
