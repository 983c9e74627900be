"""Evidence from surface models: lost height, remaining height, roughness of the roof, holes, debris around.

Heights are above the local ground, a plane through the low part of the building's surroundings, so that neither a slope nor a
datum offset between two surfaces counts as damage.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imagery.damage.chip import Zones

__all__ = ["above_ground", "pair_cues", "surface_cues"]

Heights = NDArray[Any]


def above_ground(height: Heights, zone: Zones) -> Heights | None:
    """Heights (rows, columns) above the plane through the ground around a building, metres; None when too little is seen."""
    rows, cols = np.nonzero(zone.ground & np.isfinite(height))
    if len(rows) < 40:
        return None
    z = height[rows, cols].astype(float)
    keep = z <= np.percentile(z, 60)
    # Trees, cars and debris stand above the ground: three rounds keep what lies near or under the plane.
    for _round in range(3):
        design = np.column_stack([cols[keep], rows[keep], np.ones(int(keep.sum()))])
        plane = np.linalg.lstsq(design, z[keep], rcond=None)[0]
        residual = z - (plane[0] * cols + plane[1] * rows + plane[2])
        spread = 1.4826 * float(np.median(np.abs(residual[keep]))) + 0.05
        keep = (residual < 2 * spread) & (residual > -4 * spread)
        if keep.sum() < 20:
            return None
    across, down = np.meshgrid(np.arange(height.shape[1]), np.arange(height.shape[0]))
    ground: Heights = (plane[0] * across + plane[1] * down + plane[2]).astype(np.float32)
    return height - ground


def surface_cues(ndsm: Heights, zone: Zones, cell_m: float) -> dict[str, float]:
    """Cues E2, E3, E7, E10 of one surface above ground, and `height_m`, its median over the core."""
    core = zone.core & np.isfinite(ndsm)
    if core.sum() < max(9, 0.5 * zone.core.sum()):
        return {}
    inside = ndsm[core]
    filled = _filled(ndsm)
    fine, coarse = _plane_rms(filled, 1.0, cell_m), _plane_rms(filled, 2.5, cell_m)
    top = float(np.percentile(inside, 90))
    result = {
        "height_m": float(np.median(inside)),
        "low_share": float(np.mean(inside < 1.2)),
        "height_spread": float(np.clip((top - np.percentile(inside, 10)) / max(top, 1.0), 0, 2)),
        "rough_1m": float(np.median(fine[core])),
        "rough_3m": float(np.median(coarse[core])),
        "rough_peak": float(np.percentile(fine[core], 85)),
        "normal_entropy": _normal_entropy(filled, core, cell_m),
        "roof_pits": _pit_share(filled, core, cell_m),
    }
    ring = zone.ring & np.isfinite(ndsm)
    if ring.sum() >= 20:
        result["apron_rough"] = float(np.median(fine[ring]))
        result["apron_height"] = float(np.median(ndsm[ring]))
    return result


def pair_cues(after: Heights, before: Heights, zone: Zones, sigma_z_m: float) -> dict[str, float]:
    """Cues E1 of two surfaces above the same ground: `dz_med` (metres lost, median over the core) and shares.

    A loss counts from max(1 m, 3 sigma) on, a small loss from max(0.3 m, 3 sigma).
    """
    core = zone.core & np.isfinite(after) & np.isfinite(before)
    if core.sum() < max(9, 0.5 * zone.core.sum()):
        return {}
    # The surroundings' median difference is what is left of the registration's error; debris cannot move it by more than 3 sigma.
    around = zone.ground & np.isfinite(after) & np.isfinite(before)
    bias = float(np.median((before - after)[around])) if around.sum() > 40 else 0.0
    loss = (before - after)[core] - np.clip(bias, -3 * sigma_z_m, 3 * sigma_z_m)
    stood = max(float(np.median(before[core])), 2.0)
    return {
        "dz_med": float(np.median(loss)),
        "loss_share": float(np.mean(loss > max(1.0, 3 * sigma_z_m))),
        "loss_small": float(np.mean(loss > max(0.3, 3 * sigma_z_m))),
        "loss_med": float(np.clip(np.median(loss) / stood, -0.5, 1.2)),
        "loss_p90": float(np.clip(np.percentile(loss, 90) / stood, -0.5, 1.5)),
        "height_missing": float(np.clip(1 - np.median(after[core]) / stood, -0.5, 1)),
        "loss_rough": float(np.std(loss - np.median(loss)) / stood),
    }


def _filled(ndsm: Heights) -> Heights:
    """Holes filled from the nearest cell, for filters that know no NaN."""
    hole = ~np.isfinite(ndsm)
    if not hole.any():
        return ndsm
    _distance, label = cv2.distanceTransformWithLabels(
        hole.astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_label = np.zeros(label.max() + 1, np.float32)
    by_label[label[~hole]] = ndsm[~hole]
    return by_label[label]


def _window(size_m: float, cell_m: float) -> int:
    return max(round(size_m / cell_m / 2) * 2 + 1, 3)


def _plane_rms(height: Heights, size_m: float, cell_m: float) -> Heights:
    """Root mean square distance (vertical) from the plane fitted to each cell's square window, metres."""
    size = _window(size_m, cell_m)
    # Work near zero: the variance is a small difference of squares.
    z = (height - np.float32(np.mean(height))).astype(np.float64)
    offset = np.arange(size) - size // 2
    flat = np.ones(size) / size
    ramp = offset / size
    border = cv2.BORDER_REPLICATE
    mean = cv2.sepFilter2D(z, -1, flat, flat, borderType=border)
    square = cv2.sepFilter2D(z * z, -1, flat, flat, borderType=border)
    along_x = cv2.sepFilter2D(z, -1, ramp, flat, borderType=border)
    along_y = cv2.sepFilter2D(z, -1, flat, ramp, borderType=border)
    spread = float(np.mean(offset.astype(float) ** 2))
    variance = square - mean**2 - (along_x**2 + along_y**2) / spread
    return np.sqrt(np.maximum(variance, 0)).astype(np.float32)


def _normal_entropy(height: Heights, core: NDArray[np.bool_], cell_m: float) -> float:
    """Entropy (0-1) of the roof's facets: flat, or one of eight aspects; rubble has them all."""
    smooth = cv2.GaussianBlur(height, (0, 0), 0.5 / cell_m)
    dz_dy, dz_dx = np.gradient(smooth, cell_m)
    slope, aspect = np.hypot(dz_dx, dz_dy)[core], np.arctan2(dz_dy, dz_dx)[core]
    facet = np.where(slope < 0.15, 8, np.floor((aspect + np.pi) / (2 * np.pi) * 8 - 1e-9).astype(int) % 8)
    share = np.bincount(facet, minlength=9) / len(facet)
    share = share[share > 0]
    return float(-np.sum(share * np.log(share)) / np.log(9))


def _pit_share(height: Heights, core: NDArray[np.bool_], cell_m: float) -> float:
    """Share of the core that lies more than 0.6 m under its surroundings, closed over 3 m."""
    size = _window(3.0, cell_m)
    inside = np.where(core, height, height[core].min())
    closed = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    return float(np.mean((closed - height)[core] > 0.6))
