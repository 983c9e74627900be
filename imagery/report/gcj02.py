"""GCJ-02, the coordinates that map applications in China show.

They lie 100 to 700 m from WGS 84 inside China; outside the two are the same. The formula is the one that has been public since
2010 and is used by every converter; its residual against the services is a few metres.
"""

import math

__all__ = ["wgs84_to_gcj02"]

# Krasovsky 1940, the ellipsoid of the formula.
SEMI_MAJOR_M = 6378245.0
ECCENTRICITY_2 = 0.00669342162296594323


def wgs84_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """WGS 84 longitude and latitude in degrees to GCJ-02; unchanged outside a box around China."""
    if not (72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271):
        return lon, lat
    x, y = lon - 105.0, lat - 35.0
    wave = (20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + wave
    north += (20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    north += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + wave
    east += (20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    east += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    bend = 1 - ECCENTRICITY_2 * math.sin(math.radians(lat)) ** 2
    meridian_m = SEMI_MAJOR_M * (1 - ECCENTRICITY_2) / (bend * math.sqrt(bend))
    parallel_m = SEMI_MAJOR_M / math.sqrt(bend) * math.cos(math.radians(lat))
    return lon + math.degrees(east / parallel_m), lat + math.degrees(north / meridian_m)
