"""Worlds to fly over: generated settlements with known damage and terrain, or a real orthophoto and surface."""

from sitl.world.disaster import DISASTERS
from sitl.world.model import Home, World
from sitl.world.plan import Sun
from sitl.world.region import Region
from sitl.world.settlement import PROFILES

__all__ = ["DISASTERS", "PROFILES", "Home", "Region", "Sun", "World"]
