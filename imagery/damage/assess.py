"""Grading the buildings of one event, stage by stage: buildings, registration, evidence, grades, products."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.errors import NotEnoughDataError
from imagery.core.progress import SILENT, Progress
from imagery.damage.cues import SIGNATURES
from imagery.damage.evidence import Evidence, measure
from imagery.damage.extract import extract_roofs
from imagery.damage.fit import align_footprints
from imagery.damage.grader import NOT_ANALYSED, fit_to_labels, grade, load_models
from imagery.damage.products import building_table, write_map, write_vectors
from imagery.damage.register import register_images, register_surfaces
from imagery.damage.scene import Scene, open_scene
from imagery.damage.vector import GRADE_NAMES, Buildings, match_labels, read_buildings, read_labels

__all__ = ["DamageResult", "Measured", "grade_damage", "measure_buildings"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Buildings in place, with their evidence.

    Attributes: polygons: (n,) aligned footprints in the working system; shifts_m: (n, 2) how far they were moved; evidence;
    source: where the footprints are from; notes: what registration found, for `notation`.
    """

    polygons: NDArray[np.object_]
    shifts_m: NDArray[np.float64]
    evidence: Evidence
    source: str
    notes: str


@dataclass(frozen=True, slots=True)
class DamageResult:
    """The outcome of `grade_damage`.

    Attributes: files: what was written; counts: buildings by grade name and "Not analysed"; signature; note: "not fitted to this
    event" or what it was fitted to; sigma_z_m: residual of the surfaces' registration, NaN without two; mean_set_size: of
    the grade sets; label_check: accuracy on the labels by leaving each out, before and after refitting, None without labels.
    """

    files: list[Path]
    counts: dict[str, int]
    signature: str
    note: str
    sigma_z_m: float
    mean_set_size: float
    label_check: dict[str, float] | None

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "files": self.files,
            "buildings": sum(self.counts.values()),
            "counts": self.counts,
            "signature": self.signature,
            "note": self.note,
            "sigma_z_m": self.sigma_z_m,
            "mean_set_size": round(self.mean_set_size, 3),
            "label_check": self.label_check,
        }


def grade_damage(
    post: str | Path,
    *,
    out: str | Path,
    dsm: str | Path | None = None,
    pre: str | Path | None = None,
    pre_dsm: str | Path | None = None,
    buildings: str | Path | None = None,
    labels: str | Path | None = None,
    progress: Progress = SILENT,
) -> DamageResult:
    """Grade every building from a later image (or a stitch folder) and whatever else there is.

    post: GeoTIFF of any system, or a folder of `skyrelief stitch`; out: the GeoPackage to write; a GeoJSON and a PNG map go
    beside it. buildings: footprints; without them roofs are extracted from the surface. labels: graded buildings of this
    event, to refit on.
    """
    out = Path(out)
    with open_scene(post, dsm=dsm, pre=pre, pre_dsm=pre_dsm, progress=progress) as scene:
        known = labels and read_labels(labels, scene.crs)
        measured = measure_buildings(scene, buildings, progress)
        evidence = measured.evidence
        reviewed = match_labels(measured.polygons, known) if known else np.full(len(measured.polygons), np.nan)
        centres = shapely.get_coordinates(shapely.centroid(measured.polygons))
        with progress.stage("grading", len(measured.polygons), "buildings"):
            models = dict.fromkeys(SIGNATURES, fit_to_labels(evidence, reviewed, centres)) if known else load_models()
            grades = grade(evidence, models, fitted=bool(known))
            check = _label_check(evidence, reviewed, centres) if known else None
        about = {
            "det_method": [f"automatic, {_public_signature(own)}, {measured.source}" for own in evidence.signatures],
            "notation": "; ".join(part for part in (grades.note, measured.notes) if part),
            "src_date": scene.post.date,
            "shifts": measured.shifts_m,
            "reviewed": reviewed,
            "reviewer": Path(labels).name if labels else None,
        }
        with progress.stage("writing"):
            files = write_vectors(building_table(measured.polygons, scene.crs, evidence, grades, about), out)
            title = f"{_public_signature(evidence.signature)}, {grades.note}"
            files.append(write_map(measured.polygons, grades, scene.post, out.with_suffix(".png"), title))
    counts = {name: int(np.sum(grades.grade == index)) for index, name in enumerate(GRADE_NAMES)}
    counts["Not analysed"] = int(np.sum(grades.grade == NOT_ANALYSED))
    signature = _public_signature(evidence.signature)
    size = float(grades.sets.sum(axis=1).mean())
    return DamageResult(files, counts, signature, grades.note, evidence.sigma_z_m, size, check)


def measure_buildings(scene: Scene, buildings: str | Path | None, progress: Progress = SILENT) -> Measured:
    """Find or read the footprints, register what is earlier, align the footprints, and measure every building."""
    image_shift = register_images(scene.post, scene.pre, progress) if scene.pre else None
    surface_shift = register_surfaces(scene.dsm, scene.pre_dsm) if scene.dsm and scene.pre_dsm else None
    found = read_buildings(buildings, scene.crs, progress) if buildings else _extracted(scene, progress)
    inside = shapely.intersects(found.polygons, shapely.box(*scene.post.bounds))
    if not inside.any():
        raise NotEnoughDataError(
            f"none of the {len(found.polygons)} footprints ({found.source}) lies in {scene.post.path}"
        )
    if not inside.all():
        progress.warn(f"{np.sum(~inside)} footprints lie outside {scene.post.path.name} and are left out")
    polygons, floors = found.polygons[inside], found.floors[inside]
    shifts = np.zeros((len(polygons), 2))
    if buildings:
        polygons, shifts = align_footprints(polygons, scene.post, scene.dsm, progress)
    evidence = measure(scene, polygons, floors, image_shift=image_shift, surface_shift=surface_shift, progress=progress)
    notes = []
    if image_shift is not None:
        east, north = np.median(image_shift.shift_m.reshape(-1, 2), axis=0)
        notes.append(
            f"earlier image shifted by {east:+.2f} E {north:+.2f} N m, local spread {image_shift.sigma_m:.2f} m"
        )
    if surface_shift is not None:
        s = surface_shift
        notes.append(
            f"earlier surface shifted by {s.east_m:+.2f} E {s.north_m:+.2f} N {s.up_m:+.2f} m, sigma_z {s.sigma_m:.2f} m"
        )
    return Measured(polygons, shifts, evidence, found.source, "; ".join(notes))


def _extracted(scene: Scene, progress: Progress) -> Buildings:
    """Roofs from the earlier surface where there is one, since a collapsed roof is in no later surface."""
    if scene.dsm is None:
        raise NotEnoughDataError(
            f"{scene.post.path}: an image alone does not tell where buildings are: "
            "give footprints (--buildings) or a surface (--dsm)"
        )
    if scene.pre_dsm is not None:
        return extract_roofs(scene.pre_dsm, None, scene.pre, progress)
    progress.warn("no footprints and no earlier surface: buildings that are gone cannot be found")
    return extract_roofs(scene.dsm, scene.dtm, scene.post, progress)


def _public_signature(signature: str) -> str:
    """One of the four signatures of the contract."""
    inputs = SIGNATURES[signature]
    if "surface" not in inputs:
        return signature
    return "post+surface" if inputs == {"post", "surface"} else "pre+post+surface"


def _label_check(evidence: Evidence, reviewed: NDArray[np.float64], centres: NDArray[np.float64]) -> dict[str, float]:
    """Share of the labels graded right: by the shipped models, and by models refitted without each tenth of the labels."""
    rows = np.flatnonzero(np.isfinite(reviewed))
    truth = reviewed[rows].astype(int)
    before = grade(evidence.of(rows), load_models(), fitted=False).probabilities.argmax(axis=1)
    after = np.full(len(rows), -1)
    for part in range(min(len(rows), 10)):
        held = np.arange(len(rows)) % min(len(rows), 10) == part
        rest = reviewed.copy()
        rest[rows[held]] = np.nan
        try:
            model = fit_to_labels(evidence, rest, centres)
        except NotEnoughDataError:
            continue
        after[held] = model.probabilities(evidence.values[rows[held]]).argmax(axis=1)
    tried = after >= 0
    right = float(np.mean(after[tried] == truth[tried])) if tried.any() else float("nan")
    return {"labels": len(rows), "before": float(np.mean(before == truth)), "after": right}
