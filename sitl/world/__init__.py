"""Worlds to fly over: generated settlements with known damage and terrain, or a real orthophoto and surface."""

from sitl.world.disaster import DISASTERS
from sitl.world.model import Home, World
from sitl.world.region import Region
from sitl.world.settlement import PROFILES
from sitl.world.sun import Sun

__all__ = ["DISASTERS", "PROFILES", "Home", "Region", "Sun", "World"]
