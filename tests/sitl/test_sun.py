"""The sun where almanacs say that it stands."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from imagery.core.errors import BadInputError
from sitl.world import Sun, World


@pytest.mark.parametrize(
    ("lon", "lat", "when", "azimuth", "elevation"),
    [
        # The example of the NREL's solar position algorithm: topocentric zenith 50.11162 (with refraction), azimuth 194.34024.
        (
            -105.1786,
            39.742476,
            datetime(2003, 10, 17, 12, 30, 30, tzinfo=timezone(timedelta(hours=-7))),
            194.340,
            39.872,
        ),
        # At the June solstice the noon sun at 40 degrees north stands at 90 - 40 + 23.44, due south.
        (0.0, 40.0, datetime(2026, 6, 21, 12, 1, 50, tzinfo=UTC), 180.0, 73.44),
        # At the equinox it stands overhead on the equator, and due north at 30 degrees south.
        (0.0, -30.0, datetime(2026, 3, 20, 12, 7, 30, tzinfo=UTC), 0.0, 60.0),
    ],
)
def test_positions_of_almanacs(lon: float, lat: float, when: datetime, azimuth: float, elevation: float) -> None:
    sun = Sun.at(lon, lat, when)
    assert (sun.azimuth_deg - azimuth + 180) % 360 - 180 == pytest.approx(0, abs=0.15)
    assert sun.elevation_deg == pytest.approx(elevation, abs=0.05)


def test_a_world_is_lit_by_the_sun_of_its_hour() -> None:
    size = {"size_m": (150.0, 150.0), "cell_m": 0.4, "margin_m": 40}
    morning = World.generate(2, when=datetime(2026, 5, 1, 6, tzinfo=UTC), **size)
    noon = World.generate(2, when=datetime(2026, 5, 1, 11, tzinfo=UTC), **size)
    assert morning.sun.azimuth_deg < 120 < noon.sun.azimuth_deg
    assert (morning.dsm == noon.dsm).all()
    west_of_walls = noon.dsm - noon.dtm < 0.3
    west_of_walls[:, :-15] &= (noon.dsm - noon.dtm)[:, 15:] > 4  # open ground 6 m west of something tall
    west_of_walls[:, -15:] = False
    assert morning.ortho[west_of_walls].mean() < 0.7 * noon.ortho[west_of_walls].mean()


def test_night_and_times_without_a_zone_are_refused() -> None:
    with pytest.raises(BadInputError, match="daylight"):
        Sun.at(13.0, 42.0, datetime(2026, 5, 1, 23, tzinfo=UTC))
    with pytest.raises(BadInputError, match="time zone"):
        Sun.at(13.0, 42.0, datetime(2026, 5, 1, 12))
