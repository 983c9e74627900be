"""Tracks: the same ground point seen in several photos, joined from pairwise matches."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Tracks", "join"]


class Tracks:
    """Observations of ground points, sorted by point.

    Attributes: image, feature, point: (m,) int32; a point is seen at most once in an image and in at least two
    images.
    """

    __slots__ = ("feature", "image", "point")

    def __init__(self, image: NDArray[np.int32], feature: NDArray[np.int32], point: NDArray[np.int32]) -> None:
        self.image, self.feature, self.point = image, feature, point


def join(counts: list[int], pairs: NDArray[np.int32], matches: list[NDArray[np.int32]]) -> Tracks:
    """Join matches to tracks; `counts` is the number of features per image.

    A feature of an image that a track holds twice is a contradiction: only the image's observations are dropped, the
    rest of the track stays.
    """
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ends = [(start[i] + m[:, 0], start[j] + m[:, 1]) for (i, j), m in zip(pairs, matches, strict=True) if len(m)]
    if not ends:
        none = np.zeros(0, np.int32)
        return Tracks(none, none, none)
    a, b = (np.concatenate(side) for side in zip(*ends, strict=True))
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(start[-1], start[-1]))
    label = connected_components(graph, directed=False)[1]
    nodes = np.unique(np.concatenate([a, b]))
    image = (np.searchsorted(start, nodes, side="right") - 1).astype(np.int64)
    key = label[nodes].astype(np.int64) * len(counts) + image
    _, inverse, times = np.unique(key, return_inverse=True, return_counts=True)
    once = times[inverse] == 1
    nodes, image = nodes[once], image[once]
    point, length = np.unique(label[nodes], return_inverse=True, return_counts=True)[1:]
    long_enough = length[point] >= 2
    nodes, image, point = nodes[long_enough], image[long_enough], point[long_enough]
    point = np.unique(point, return_inverse=True)[1]
    order = np.lexsort((image, point))
    feature = nodes - start[image]
    return Tracks(image[order].astype(np.int32), feature[order].astype(np.int32), point[order].astype(np.int32))
