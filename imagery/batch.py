"""One job: a folder of photos to an orthomosaic, a surface and their quality, in stages that can be resumed."""

import os
import shutil
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyproj
from numpy.typing import NDArray

from imagery.align.align import AlignResult, align
from imagery.align.features import Features, extract, load_features, save_features
from imagery.align.match import match_pair
from imagery.align.pairs import pairs_by_position
from imagery.align.reconstruction import read_reconstruction, write_reconstruction
from imagery.align.shots import Dropped, Shots, gather
from imagery.checkpoint import Stage, Workspace, file_key, key_of
from imagery.core.errors import BadInputError, NotEnoughDataError
from imagery.core.files import atomic_path, write_json
from imagery.core.photo import Photo, list_photos, read_photo
from imagery.core.progress import SILENT, Progress
from imagery.quality import align_info, quality_of, write_quality_page

__all__ = ["QUALITIES", "Options", "stitch"]

CODE = 5  # raise it when a stage's results change, so that old checkpoints are not used


@dataclass(frozen=True, slots=True)
class Effort:
    """How closely photos are looked at: features' image size and number."""

    long_side_px: int
    features: int


QUALITIES = {"preview": Effort(1000, 1500), "standard": Effort(1333, 2500), "high": Effort(2000, 5000)}


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose. gsd_cm: of the orthomosaic, None: the photos' own (twice that for a preview); crs: None: UTM."""

    quality: str = "standard"
    gsd_cm: float | None = None
    crs: str | None = None
    workers: int | None = None

    def check(self) -> None:
        """Raise BadInputError for a value that cannot be used."""
        if self.quality not in QUALITIES:
            raise BadInputError(f"unknown quality {self.quality!r}: choose one of {', '.join(QUALITIES)}")
        if self.gsd_cm is not None and not 0.05 <= self.gsd_cm <= 1000:
            raise BadInputError(f"ground sampling distance {self.gsd_cm:g} cm: give one between 0.05 and 1000")
        if self.crs is not None and not output_crs(self.crs).is_projected:
            raise BadInputError(f"reference system {self.crs}: give one in metres, such as EPSG:32631 (UTM zone 31 N)")


def output_crs(name: str) -> pyproj.CRS:
    """A reference system by its EPSG code ("32631" or "EPSG:32631") or any other name that PROJ knows."""
    try:
        return pyproj.CRS.from_user_input(int(name) if name.isdigit() else name)
    except pyproj.exceptions.CRSError as error:
        raise BadInputError(f"unknown reference system {name!r}: give an EPSG code such as EPSG:32631") from error


def stitch(
    photos_dir: str | Path,
    out_dir: str | Path,
    options: Options | None = None,
    *,
    fresh: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Make `ortho.tif`, `dsm.tif`, `dtm.tif`, `reconstruction.json`, `footprints.geojson`, `seams.geojson`, `quality.json` and
    `quality.html`.

    Work that a former run has finished on the same photos and options is used again unless `fresh`. Returns what
    `quality.json` holds. Raises BadInputError and NotEnoughDataError.
    """
    options = options or Options()
    options.check()
    photos_dir, out_dir = Path(photos_dir), Path(out_dir)
    if fresh:
        shutil.rmtree(out_dir / ".work", ignore_errors=True)
    return _Job(photos_dir, out_dir, options, Workspace(out_dir / ".work"), progress).run()


class _Job:
    """The stages of one job, in the order in which they run."""

    def __init__(
        self, photos_dir: Path, out_dir: Path, options: Options, workspace: Workspace, progress: Progress
    ) -> None:
        self.photos_dir, self.out_dir, self.options = photos_dir, out_dir, options
        self.workspace, self.progress = workspace, progress
        self.workers = options.workers or os.cpu_count() or 1
        self.effort = QUALITIES[options.quality]
        self.stages: dict[str, Stage] = {}
        self.dropped: list[Dropped] = []
        self.keys: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        shots = self._index()
        self._features(shots)
        shots = self._without_unreadable(shots)
        pairs = pairs_by_position(shots.near_m)
        self._matches(shots, pairs)
        info = self._align(shots, pairs)
        gsd_m = (self.options.gsd_cm or self._natural_gsd_cm(info)) / 100
        surface = self._surface(gsd_m)
        mosaic = self._mosaic(gsd_m)
        quality = quality_of(info, surface, mosaic, gsd_m, self.stages, peak_memory_mb())
        write_json(self.out_dir / "quality.json", quality)
        write_quality_page(self.out_dir / "quality.html", self.photos_dir.name, quality, info)
        return quality

    def _natural_gsd_cm(self, info: dict[str, Any]) -> float:
        return float(info["gsd_m"]) * 100 * (2 if self.options.quality == "preview" else 1)

    def _index(self) -> Shots:
        paths = list_photos(self.photos_dir)
        named: dict[str, Photo] = {}
        first: dict[str, str] = {}
        with self.progress.stage("reading photos' heads", len(paths), "photos") as advance:
            for path in paths:
                name = path.relative_to(self.photos_dir).as_posix()
                try:
                    named[name] = read_photo(path)
                    key = file_key(path)
                except (BadInputError, OSError) as error:
                    self.dropped.append(Dropped(name, _reason(error, path)))
                    continue
                finally:
                    advance(1)
                if key in first:
                    del named[name]
                    self.dropped.append(Dropped(name, f"the same photo as {first[key]}"))
                else:
                    first[key], self.keys[name] = name, key
        if not named:
            raise NotEnoughDataError(f"{self.photos_dir}: no photo can be read; {self.dropped[0].reason}")
        shots, dropped = gather(named)
        self.dropped += dropped
        return shots

    def _feature_path(self, name: str) -> Path:
        return self.workspace.path("features", f"{key_of(CODE, self.keys[name], asdict(self.effort))}.npz")

    def _features(self, shots: Shots) -> None:
        names = shots.names

        def work() -> dict[str, Any]:
            unreadable: dict[str, str] = {}
            with self.progress.stage("features", len(names), "photos") as advance:

                def one(name: str) -> None:
                    try:
                        self._one_feature(name)
                    except BadInputError as error:
                        unreadable[name] = _reason(error, self.photos_dir / name)
                    advance(1)

                self._parallel(one, names)
            return {"unreadable": dict(sorted(unreadable.items()))}

        key = key_of(CODE, [self.keys[name] for name in names], asdict(self.effort))
        self.stages["features"] = self.workspace.stage("features", key, [], work)

    def _one_feature(self, name: str) -> None:
        path = self._feature_path(name)
        if not path.exists():
            effort = self.effort
            save_features(
                path, extract(self.photos_dir / name, long_side_px=effort.long_side_px, count=effort.features)
            )

    def _without_unreadable(self, shots: Shots) -> Shots:
        unreadable: dict[str, str] = self.stages["features"].info["unreadable"]
        if not unreadable:
            return shots
        self.dropped += [Dropped(name, reason) for name, reason in unreadable.items()]
        readable = {
            name: photo for name, photo in zip(shots.names, shots.photos, strict=True) if name not in unreadable
        }
        if len(readable) < 3:
            raise NotEnoughDataError(
                f"{self.photos_dir}: only {len(readable)} of {len(shots.names)} photos can be decoded; "
                f"{next(iter(unreadable.values()))}"
            )
        return gather(readable)[0]

    def _match_path(self, shots: Shots, image: int, partners: NDArray[np.int32]) -> Path:
        names = [self._feature_path(shots.names[k]).stem for k in (image, *partners)]
        return self.workspace.path("matches", f"{key_of(CODE, names)}.npz")

    def _matches(self, shots: Shots, pairs: NDArray[np.int32]) -> None:
        paths = {i: self._match_path(shots, i, pairs[pairs[:, 0] == i, 1]) for i in np.unique(pairs[:, 0])}

        def work() -> dict[str, Any]:
            load = lru_cache(maxsize=128)(load_features)
            with self.progress.stage("matching", len(pairs), "pairs") as advance:

                def one(image: int) -> None:
                    partners = pairs[pairs[:, 0] == image, 1]
                    if not paths[image].exists():
                        self._one_match(shots, image, partners, paths[image], load)
                    advance(len(partners))

                self._parallel(one, sorted(paths))
            return {}

        key = key_of(CODE, [path.stem for path in paths.values()])
        self.stages["matching"] = self.workspace.stage("matching", key, list(paths.values()), work)

    def _one_match(self, shots: Shots, image: int, partners: NDArray[np.int32], path: Path, load: Any) -> None:
        """Match a photo with its partners of higher index, and keep all of that in one file."""
        first: Features = load(self._feature_path(shots.names[image]))
        threshold = self._feature_px(shots) * 1.5
        others = [self._feature_path(shots.names[partner]) for partner in partners]
        found = {other.stem: match_pair(first, load(other), threshold) for other in others}
        with atomic_path(path) as temporary:
            np.savez(temporary, **found)  # type: ignore[arg-type]

    def _feature_px(self, shots: Shots) -> float:
        """Full-size pixels per pixel of the images that features are found on, for most photos."""
        longest = [max(photo.width_px, photo.height_px) for photo in shots.photos]
        return max(1.0, float(np.median(longest)) / self.effort.long_side_px)

    def _align(self, shots: Shots, pairs: NDArray[np.int32]) -> dict[str, Any]:
        path = self.workspace.path("reconstruction.json")

        def work() -> dict[str, Any]:
            with self.progress.stage("aligning", len(shots.names), "photos") as advance:
                result = self._aligned(shots, pairs)
                advance(len(shots.names))
            for warning in result.warnings:
                self.progress.warn(warning)
            write_reconstruction(path, result.reconstruction)
            return align_info(result, self.dropped, shots)

        key = key_of(CODE, self.stages["matching"].info, shots.names, self._match_keys(shots, pairs), self.options.crs)
        outputs = [path, path.with_suffix(".npz")]
        self.stages["alignment"] = self.workspace.stage("alignment", key, outputs, work)
        write_reconstruction(self.out_dir / "reconstruction.json", read_reconstruction(path), ties=False)
        return self.stages["alignment"].info

    def _match_keys(self, shots: Shots, pairs: NDArray[np.int32]) -> list[str]:
        return [self._match_path(shots, i, pairs[pairs[:, 0] == i, 1]).stem for i in np.unique(pairs[:, 0])]

    def _aligned(self, shots: Shots, pairs: NDArray[np.int32]) -> AlignResult:
        feature_xy = [load_features(self._feature_path(name)).xy for name in shots.names]
        matches: list[NDArray[np.int32]] = []
        for image in np.unique(pairs[:, 0]):
            partners = pairs[pairs[:, 0] == image, 1]
            with np.load(self._match_path(shots, image, partners)) as arrays:
                matches += [arrays[self._feature_path(shots.names[partner]).stem] for partner in partners]
        crs = output_crs(self.options.crs) if self.options.crs else None
        return align(shots, feature_xy, pairs, matches, feature_px=self._feature_px(shots), crs=crs)

    def _product_key(self, gsd_m: float) -> str:
        alignment = self.workspace.path("reconstruction.json").read_text(encoding="utf-8")
        return key_of(CODE, alignment, gsd_m, self.options.quality, sorted(self.keys.items()))

    def _surface(self, gsd_m: float) -> dict[str, Any]:
        from imagery.surface import build_surface

        reconstruction = read_reconstruction(self.workspace.path("reconstruction.json"))

        def work() -> dict[str, Any]:
            result = build_surface(
                reconstruction,
                self.photos_dir,
                self.out_dir,
                gsd_m=gsd_m,
                quality=self.options.quality,
                workers=self.workers,
                progress=self.progress,
            )
            return {"completeness": result.completeness, "cell_m": result.cell_m, "covered_m2": result.covered_m2}

        outputs = [self.out_dir / "dsm.tif", self.out_dir / "dtm.tif"]
        self.stages["surface"] = self.workspace.stage("surface", self._product_key(gsd_m), outputs, work)
        return self.stages["surface"].info

    def _mosaic(self, gsd_m: float) -> dict[str, Any]:
        from imagery.ortho import build_mosaic

        reconstruction = read_reconstruction(self.workspace.path("reconstruction.json"))

        def work() -> dict[str, Any]:
            build_mosaic(
                reconstruction,
                self.photos_dir,
                self.out_dir / "dsm.tif",
                self.out_dir / "ortho.tif",
                gsd_m=gsd_m,
                workers=self.workers,
                progress=self.progress,
            )
            return {}

        outputs = [self.out_dir / name for name in ("ortho.tif", "footprints.geojson", "seams.geojson")]
        self.stages["mosaic"] = self.workspace.stage("mosaic", self._product_key(gsd_m), outputs, work)
        return self.stages["mosaic"].info

    def _parallel(self, work: Any, items: Iterable[Any]) -> None:
        """Run `work` on every item by threads; an error or Ctrl-C stops the rest."""
        cv2.setNumThreads(1)
        pool = ThreadPoolExecutor(self.workers)
        try:
            for future in [pool.submit(work, item) for item in items]:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


def _reason(error: Exception, path: Path) -> str:
    """An error's message without the path that stands beside it anyway."""
    return str(error).removeprefix(f"{path}: ")


def peak_memory_mb() -> float | None:
    """The most memory that this process has held, in megabytes; None where the system does not tell (Windows)."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
