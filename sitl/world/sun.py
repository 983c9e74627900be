"""Where the sun stands at a place and time."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from imagery.core.errors import BadInputError

__all__ = ["Sun"]

LOWEST_DEG = 4.0  # below it there is no light to survey by
J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands: azimuth clockwise from north, elevation above the horizon, degrees."""

    azimuth_deg: float
    elevation_deg: float

    @classmethod
    def at(cls, lon_deg: float, lat_deg: float, when: datetime) -> "Sun":
        """The sun over a place at a time (with its time zone), to 0.02 degrees, without refraction.

        Source: the Astronomical Almanac's low-precision formulas (page C5), good from 1950 to 2050. Raises BadInputError for a
        time without a zone, and when the sun is down.
        """
        if when.tzinfo is None:
            raise BadInputError(f"the time {when:%Y-%m-%d %H:%M} lacks its time zone: give one, as 2026-05-01T09:00Z")
        days = (when - J2000).total_seconds() / 86400
        mean_anomaly = np.radians(357.528 + 0.9856003 * days)
        mean_longitude = 280.460 + 0.9856474 * days
        longitude = np.radians(mean_longitude + 1.915 * np.sin(mean_anomaly) + 0.020 * np.sin(2 * mean_anomaly))
        obliquity = np.radians(23.439 - 4e-7 * days)
        declination = np.arcsin(np.sin(obliquity) * np.sin(longitude))
        right_ascension = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
        sidereal = np.radians(280.46062 + 360.98564737 * days + lon_deg)
        hour_angle, lat = sidereal - right_ascension, np.radians(lat_deg)
        east = -np.cos(declination) * np.sin(hour_angle)
        north = np.sin(declination) * np.cos(lat) - np.cos(declination) * np.cos(hour_angle) * np.sin(lat)
        up = np.sin(declination) * np.sin(lat) + np.cos(declination) * np.cos(hour_angle) * np.cos(lat)
        elevation = float(np.degrees(np.arcsin(np.clip(up, -1, 1))))
        if elevation < LOWEST_DEG:
            raise BadInputError(
                f"at {when:%Y-%m-%d %H:%M %Z} the sun stands {elevation:.0f} degrees above the horizon of"
                f" {lat_deg:.2f}, {lon_deg:.2f}: choose an hour of daylight"
            )
        return cls(float(np.degrees(np.arctan2(east, north)) % 360), elevation)

    @property
    def direction(self) -> NDArray[np.float64]:
        """The unit vector towards the sun: east, north, up."""
        a, e = np.radians([self.azimuth_deg, self.elevation_deg])
        return np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])
