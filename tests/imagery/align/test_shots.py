"""What photos say of themselves is gathered, checked and completed."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from imagery.align.shots import gather
from imagery.core.errors import NotEnoughDataError
from imagery.core.photo import Photo


def flight(count: int = 6) -> dict[str, Photo]:
    """Photos along a line to the east, 10 m and 2 s apart, 50 m above a take-off point at 200 m."""
    return {
        f"{k}.jpg": Photo(
            Path(f"{k}.jpg"),
            4000,
            3000,
            make="DJI",
            model="X",
            focal_35mm=24.0,
            time=datetime(2026, 5, 1, 9) + timedelta(seconds=2 * k),
            lat=45.0,
            lon=7.0 + k * 10 / 78846.8,
            alt_amsl_m=250.0 + 3 * (-1) ** k,
            alt_rel_m=50.0,
            gimbal_pitch_deg=-90.0,
        )
        for k in range(count)
    }


def test_heights_follow_those_above_take_off() -> None:
    shots, dropped = gather(flight())
    assert not dropped
    assert np.allclose(shots.gnss_m[:, 2], 250)
    assert np.allclose(np.diff(shots.gnss_m[:, 0]), 10, atol=0.01)


def test_a_photo_without_position_is_placed_between_its_neighbours() -> None:
    photos = flight()
    photos["3.jpg"] = replace(photos["3.jpg"], lat=None, lon=None)
    shots, _ = gather(photos)
    assert np.isnan(shots.gnss_m[3, :2]).all()
    assert np.allclose(shots.near_m[3], (shots.near_m[2] + shots.near_m[4]) / 2, atol=0.01)


def test_strangers_and_views_of_the_horizon_are_dropped() -> None:
    photos = flight()
    photos["far.jpg"] = replace(photos["0.jpg"], lat=46.0)
    photos["view.jpg"] = replace(photos["0.jpg"], gimbal_pitch_deg=-5.0)
    shots, dropped = gather(photos)
    assert len(shots.names) == 6
    assert {each.file: each.reason.split(" ")[0] for each in dropped} == {"far.jpg": "taken", "view.jpg": "looks"}


def test_too_few_positions_say_what_to_do() -> None:
    photos = {name: replace(photo, lat=None, lon=None) for name, photo in flight().items()}
    with pytest.raises(NotEnoughDataError, match=r"none of the photos has a GPS position.*positions into"):
        gather(photos)


def test_rtk_positions_are_trusted() -> None:
    photos = {name: replace(photo, rtk_flag=50, rtk_std_m=(0.01, 0.01, 0.02)) for name, photo in flight().items()}
    shots, _ = gather(photos)
    assert shots.rtk.all()
    assert shots.gnss_sigma_m.max() <= 0.05
