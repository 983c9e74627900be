"""Geodesy against pyproj's geodesics and the geoid's publisher."""

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagery.core.errors import BadInputError
from imagery.core.frame import (
    LocalFrame,
    check_lon_lat,
    ellipsoid_to_msl,
    geoid_undulation,
    msl_to_ellipsoid,
    utm_crs,
)

WGS84 = pyproj.Geod(ellps="WGS84")

# NGA's test values that come with its EGM96 program (longitude, latitude, undulation in metres).
NGA_EGM96 = [
    (269.7791550, 38.6281550, -31.628),
    (305.0211140, -14.6212170, -2.969),
    (102.4487290, 46.8743190, -43.575),
    (133.8747120, -23.6174460, 15.871),
]


@given(
    lon=st.floats(-180, 180),
    lat=st.floats(-89.9, 89.9),
    east=st.floats(-5000, 5000),
    north=st.floats(-5000, 5000),
)
def test_local_frame_round_trip_everywhere(lon: float, lat: float, east: float, north: float) -> None:
    frame = LocalFrame(lon, lat)
    there = frame.to_geographic(east, north)
    back = frame.to_local(*there)
    assert np.allclose(back, (east, north), atol=1e-3)
    # The frame is azimuthal equidistant: distance and bearing from its origin are those of the geodesic.
    azimuth, _, distance = WGS84.inv(lon, lat, float(there[0]), float(there[1]))
    assert distance == pytest.approx(np.hypot(east, north), abs=1e-3)
    if distance > 1:
        expected = np.degrees(np.arctan2(east, north))
        assert abs((azimuth - expected + 180) % 360 - 180) < 1e-3


def test_frame_around_points_across_the_date_line() -> None:
    frame = LocalFrame.around([179.99, -179.99], [-17.0, -17.02])
    assert abs(frame.lon_deg) == pytest.approx(180)
    east, north = frame.to_local([179.99, -179.99], [-17.0, -17.02])
    assert abs(east).max() < 1100
    assert abs(north).max() < 1200
    assert east[0] < 0 < east[1]


@pytest.mark.parametrize("lat", [89.9999, -89.9999, 90.0, -90.0])
def test_frame_at_the_poles(lat: float) -> None:
    frame = LocalFrame(10.0, lat)
    lon, back = frame.to_geographic([100.0, -50.0], [30.0, 80.0])
    east, north = frame.to_local(lon, back)
    assert np.allclose(east, [100, -50], atol=1e-5)
    assert np.allclose(north, [30, 80], atol=1e-5)


def test_arrays_keep_their_shape() -> None:
    frame = LocalFrame(11.0, 48.0)
    east, north = frame.to_local(np.full((3, 2), 11.001), np.full((3, 2), 48.001))
    assert east.shape == north.shape == (3, 2)
    assert frame.crs.axis_info[0].unit_name == "metre"


@pytest.mark.parametrize(
    ("lon", "lat", "what"),
    [
        (float("nan"), 10, "not a number"),
        (200, 10, "outside longitude"),
        (45, 100, "swapped"),
    ],
)
def test_bad_coordinates_are_explained(lon: float, lat: float, what: str) -> None:
    with pytest.raises(BadInputError, match=what):
        check_lon_lat(lon, lat, "home")


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [
        (11.5, 48.1, 32632),
        (-92.0, 46.8, 32615),
        (5.3, 60.4, 32632),  # Bergen: Norway's exception
        (15.6, 78.2, 32633),  # Svalbard
        (179.999, -17, 32760),
        (180.0, 10, 32660),
        (-180.0, 10, 32601),
        (36.8, -1.3, 32737),
        (0, 88, 32661),
        (0, -85, 32761),
    ],
)
def test_utm_zone(lon: float, lat: float, epsg: int) -> None:
    assert utm_crs(lon, lat).to_epsg() == epsg


@pytest.mark.parametrize(("lon", "lat", "undulation"), NGA_EGM96)
def test_geoid_against_the_publishers_values(lon: float, lat: float, undulation: float) -> None:
    # NGA's values come from the full model; a 15-minute grid interpolated linearly differs by decimetres in rough places.
    assert geoid_undulation((lon + 180) % 360 - 180, lat) == pytest.approx(undulation, abs=0.7)


def test_ellipsoidal_height_never_passes_for_height_above_sea_level() -> None:
    lon, lat = np.meshgrid(np.arange(-179.5, 180, 7.0), np.arange(-89.5, 90, 7.0))
    height = ellipsoid_to_msl(lon, lat, 1000.0)
    undulation = geoid_undulation(lon, lat)
    # The undulation passes through zero on lines only: everywhere else the two heights differ, by up to a hundred metres.
    assert (height == 1000.0).sum() == 0
    assert np.abs(height - 1000).max() > 80
    assert np.allclose(1000 - height, undulation)
    assert undulation.min() == pytest.approx(-106, abs=4)
    assert undulation.max() == pytest.approx(85, abs=5)


@given(lon=st.floats(-180, 180), lat=st.floats(-90, 90), height=st.floats(-400, 8900))
def test_heights_round_trip(lon: float, lat: float, height: float) -> None:
    assert float(ellipsoid_to_msl(lon, lat, msl_to_ellipsoid(lon, lat, height))) == pytest.approx(height, abs=1e-6)
