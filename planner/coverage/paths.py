"""Shortest safe ways between points: along the visibility graph of a region's inward corners."""

import functools
import math

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["Free", "Ways"]

SLACK_M = 0.2  # a leg along the region's very edge counts as inside it
MOST_CORNERS = 160


class Ways:
    """Ways between points inside a region (metres); the region may have holes and several parts.

    Asking for a way costs time only where the straight leg is not inside the region. Ways within one part of a region
    always exist; between parts they do not, and `way` returns None.
    """

    def __init__(self, region: shapely.Geometry) -> None:
        self.region = region
        self._tolerant = region.buffer(SLACK_M, join_style="mitre")
        shapely.prepare(self._tolerant)
        self.corners = _inward_corners(region)

    def visible(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the straight legs from points a (n x 2) to b (n x 2) stay inside the region."""
        if len(a) == 0:
            return np.zeros(0, bool)
        legs = shapely.linestrings(np.stack([a, b], axis=1))
        return np.asarray(shapely.covers(self._tolerant, legs))

    def way(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The shortest way from a to b as vertices (n x 2, both ends included), or None where there is none."""
        a, b = np.asarray(a, float), np.asarray(b, float)
        if self.visible(a[None], b[None])[0]:
            return np.array([a, b])
        if len(self.corners) == 0:
            return None
        distance, following = self._corner_ways
        total = self._to_corners(tuple(a))[:, None] + distance + self._to_corners(tuple(b))[None, :]
        first, last = np.unravel_index(int(np.argmin(total)), total.shape)
        if not math.isfinite(total[first, last]):
            return None
        chain = [int(first)]
        while chain[-1] != last:
            chain.append(int(following[chain[-1], last]))
        return np.array([a, *self.corners[chain], b])

    @functools.cached_property
    def _corner_ways(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Shortest distances between all corners, and the corner that follows on the way (Floyd and Warshall)."""
        count = len(self.corners)
        i, j = np.triu_indices(count, 1)
        seen = self.visible(self.corners[i], self.corners[j])
        distance = np.full((count, count), np.inf)
        distance[i[seen], j[seen]] = np.hypot(*(self.corners[i[seen]] - self.corners[j[seen]]).T)
        distance = np.minimum(distance, distance.T)
        np.fill_diagonal(distance, 0.0)
        following = np.where(np.isfinite(distance), np.arange(count)[None, :], -1)
        for k in range(count):
            through = distance[:, k, None] + distance[None, k, :]
            shorter = through < distance - 1e-9
            distance[shorter] = through[shorter]
            following[shorter] = np.broadcast_to(following[:, k, None], shorter.shape)[shorter]
        return distance, following

    @functools.cache  # noqa: B019 - lives and dies with one planning
    def _to_corners(self, point: tuple[float, float]) -> NDArray[np.float64]:
        here = np.broadcast_to(point, self.corners.shape)
        away = np.hypot(*(self.corners - here).T)
        return np.where(self.visible(here, self.corners), away, np.inf)


class Free:
    """Ways through open space around no-fly zones: anywhere else may be flown."""

    def __init__(self, no_fly: shapely.Geometry, reach: shapely.Geometry) -> None:
        """`no_fly`: zones with their clearance; `reach`: everything that ways may connect."""
        self._ways: Ways | None = None
        if not no_fly.is_empty:
            size = max(reach.bounds[2] - reach.bounds[0], reach.bounds[3] - reach.bounds[1], 1000.0)
            world = shapely.box(*shapely.union(reach, no_fly).bounds).buffer(size, join_style="mitre")
            self._ways = Ways(world.difference(no_fly))

    def visible(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the straight legs from a to b (n x 2) avoid every zone."""
        return np.ones(len(a), bool) if self._ways is None else self._ways.visible(a, b)

    def way(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The shortest way from a to b around the zones, or None where a zone encloses one of them."""
        return np.array([a, b]) if self._ways is None else self._ways.way(a, b)


def _inward_corners(region: shapely.Geometry) -> NDArray[np.float64]:
    """The corners (n x 2) that a shortest way may bend around; of a detailed outline only the sharpest `MOST_CORNERS`."""
    found, sharpness = [np.empty((0, 2))], [np.empty(0)]
    for part in getattr(region, "geoms", [region]):
        if not isinstance(part, shapely.Polygon):
            continue
        turned = shapely.orient_polygons(part)  # exterior counter-clockwise, holes clockwise: inside lies to the left
        for ring in (turned.exterior, *turned.interiors):
            points = np.asarray(ring.coords)[:-1, :2]
            before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
            cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
            inward = cross < -1e-9
            found.append(points[inward])
            sharpness.append((-cross / np.maximum(np.hypot(*before.T) + np.hypot(*after.T), 1e-9))[inward])
    corners, weight = np.concatenate(found), np.concatenate(sharpness)
    if len(corners) > MOST_CORNERS:
        corners = corners[np.sort(np.argsort(-weight, kind="stable")[:MOST_CORNERS])]
    return corners
