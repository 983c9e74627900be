"""Places on the Earth as the autopilot reckons them: a sphere, latitude and longitude scaled to metres about a point.

ArduPilot uses 111.32 km to a degree of latitude everywhere, and so do its trigger distances and speeds; survey-grade geodesy
(`imagery.core.frame`) would differ from it by up to half a per cent.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRES_PER_DEGREE", "Place", "Vector", "clamp"]

METRES_PER_DEGREE = 111_318.845
Vector = NDArray[np.float64]  # east, north, up in metres


def clamp(value: float, limit: float) -> float:
    """A value limited to -limit..limit."""
    return min(max(value, -limit), limit)


@dataclass(frozen=True, slots=True)
class Place:
    """A point: WGS 84 degrees and metres above mean sea level."""

    lat_deg: float
    lon_deg: float
    alt_amsl_m: float = 0.0

    def offset_to(self, other: "Place") -> Vector:
        """East, north and up in metres from here to `other`."""
        lon = (other.lon_deg - self.lon_deg + 180) % 360 - 180
        scale = math.cos(math.radians((self.lat_deg + other.lat_deg) / 2))
        return np.array(
            [
                lon * METRES_PER_DEGREE * scale,
                (other.lat_deg - self.lat_deg) * METRES_PER_DEGREE,
                other.alt_amsl_m - self.alt_amsl_m,
            ]
        )

    def moved(self, offset: Vector) -> "Place":
        """The place at an offset of east, north, up in metres."""
        east, north, up = (float(part) for part in offset)
        lat = self.lat_deg + north / METRES_PER_DEGREE
        scale = max(math.cos(math.radians((self.lat_deg + lat) / 2)), 0.01)
        lon = self.lon_deg + east / (METRES_PER_DEGREE * scale)
        return Place(lat, (lon + 180) % 360 - 180, self.alt_amsl_m + up)
