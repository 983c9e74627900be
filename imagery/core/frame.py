"""Geodesy: a local metric frame, UTM zones, and heights above the ellipsoid and above mean sea level.

WGS 84 longitude and latitude appear only at the edges of the program. Inside is a local east-north frame in metres.
Heights above mean sea level come from the EGM96 geoid, bundled as a PROJ grid because pyproj's wheels carry none and would
silently return the ellipsoid's height.
"""

import functools
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import pyproj.datadir
from numpy.typing import ArrayLike, NDArray

from imagery.core.errors import BadInputError

__all__ = ["LocalFrame", "check_lon_lat", "ellipsoid_to_msl", "geoid_undulation", "msl_to_ellipsoid", "utm_crs"]

GEOID_FOLDER = Path(__file__).parent / "data"
pyproj.datadir.append_data_dir(str(GEOID_FOLDER))  # on import: a thread's PROJ context keeps the path of its first use
_per_thread = threading.local()  # a PROJ transformation must not be shared between threads


def check_lon_lat(lon: ArrayLike, lat: ArrayLike, what: str = "coordinates") -> None:
    """Raise BadInputError unless every longitude is in [-180, 180] and every latitude in [-90, 90]."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise BadInputError(f"{what}: a coordinate is not a number")
    if (abs(lat) > 90).any() or (abs(lon) > 180).any():
        swapped = (abs(lon) <= 90).all() and (abs(lat) <= 180).all()
        hint = ": latitude and longitude seem to be swapped" if swapped else ""
        raise BadInputError(f"{what}: outside longitude -180..180 and latitude -90..90{hint}")


@dataclass(frozen=True, slots=True)
class LocalFrame:
    """An azimuthal equidistant east-north frame in metres around a point; true to a millimetre over a few kilometres.

    Attributes: lon_deg, lat_deg: the origin, WGS 84.
    """

    lon_deg: float
    lat_deg: float

    @classmethod
    def around(cls, lon: ArrayLike, lat: ArrayLike) -> "LocalFrame":
        """The frame centred on the bounding box of some points, across the date line too."""
        lon, lat = np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float))
        check_lon_lat(lon, lat)
        near = lon[0] + (lon - lon[0] + 180) % 360 - 180
        centre = (near.min() + near.max()) / 2
        return cls(float((centre + 180) % 360 - 180), float((lat.min() + lat.max()) / 2))

    @property
    def crs(self) -> pyproj.CRS:
        """The frame as a coordinate reference system."""
        return _local_crs(self.lon_deg, self.lat_deg)

    def to_local(self, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """WGS 84 degrees to east and north in metres (arrays of the input's shape)."""
        east, north = _transformers(self.lon_deg, self.lat_deg)[0].transform(
            np.asarray(lon, float), np.asarray(lat, float)
        )
        return np.asarray(east), np.asarray(north)

    def to_geographic(self, east: ArrayLike, north: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """East and north in metres to WGS 84 longitude and latitude in degrees."""
        lon, lat = _transformers(self.lon_deg, self.lat_deg)[1].transform(
            np.asarray(east, float), np.asarray(north, float)
        )
        return np.asarray(lon), np.asarray(lat)


@functools.lru_cache(maxsize=64)
def _local_crs(lon: float, lat: float) -> pyproj.CRS:
    return pyproj.CRS.from_proj4(f"+proj=aeqd +lat_0={lat!r} +lon_0={lon!r} +datum=WGS84 +units=m +type=crs")


def _transformers(lon: float, lat: float) -> tuple[pyproj.Transformer, pyproj.Transformer]:
    cache = _per_thread.__dict__.setdefault("frames", {})
    if (lon, lat) not in cache:
        if len(cache) > 64:
            cache.clear()
        crs = _local_crs(lon, lat)
        cache[lon, lat] = (
            pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True),
            pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True),
        )
    found: tuple[pyproj.Transformer, pyproj.Transformer] = cache[lon, lat]
    return found


def utm_crs(lon: float, lat: float) -> pyproj.CRS:
    """The WGS 84 UTM zone of a point (with Norway's and Svalbard's exceptions), or polar stereographic beyond 84 N / 80 S."""
    check_lon_lat(lon, lat)
    if lat >= 84 or lat <= -80:
        return pyproj.CRS.from_epsg(32661 if lat > 0 else 32761)
    zone = min(int((lon + 180) // 6) + 1, 60)
    if 56 <= lat < 64 and 3 <= lon < 12:
        zone = 32
    elif lat >= 72 and 0 <= lon < 42:
        zone = 31 + 2 * int(np.searchsorted([9, 21, 33], lon, side="right"))
    return pyproj.CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)


def _geoid_transformer() -> pyproj.Transformer:
    if not hasattr(_per_thread, "geoid"):
        _per_thread.geoid = pyproj.Transformer.from_crs(
            "EPSG:4979", "EPSG:4326+5773", always_xy=True, allow_ballpark=False
        )
    transformer: pyproj.Transformer = _per_thread.geoid
    return transformer


def geoid_undulation(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
    """Height of the EGM96 geoid above the WGS 84 ellipsoid in metres (15-minute grid, bilinear)."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    check_lon_lat(lon, lat, "geoid")
    return -np.asarray(_geoid_transformer().transform(lon, lat, np.zeros(np.broadcast(lon, lat).shape))[2])


def ellipsoid_to_msl(lon: ArrayLike, lat: ArrayLike, height_ellipsoid_m: ArrayLike) -> NDArray[np.float64]:
    """Heights above the WGS 84 ellipsoid to heights above mean sea level (EGM96), in metres."""
    return np.asarray(height_ellipsoid_m, float) - geoid_undulation(lon, lat)


def msl_to_ellipsoid(lon: ArrayLike, lat: ArrayLike, height_amsl_m: ArrayLike) -> NDArray[np.float64]:
    """Heights above mean sea level (EGM96) to heights above the WGS 84 ellipsoid, in metres."""
    return np.asarray(height_amsl_m, float) + geoid_undulation(lon, lat)
