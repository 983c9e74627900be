"""What the operator should know before flying a plan: each concern a sentence with its figures and what to do."""

import math
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from planner.coverage.proof import Overlap
from planner.flights import Flight
from planner.ground import Heights, Request, height_concerns, overlap_concerns
from planner.separation import near_misses
from planner.site import Site
from planner.spec import SurveySpec
from planner.terrain import Terrain
from planner.timing import Motion

__all__ = ["SIGHT_M", "concerns"]

LEGAL_HEIGHT_M = 120.0
SIGHT_M = 500.0


def concerns(
    spec: SurveySpec,
    site: Site,
    motion: Motion,
    flights: tuple[Flight, ...],
    overlap: Overlap,
    terrain: Terrain | None,
    heights: Heights | None,
) -> list[str]:
    """What the operator should know before flying this plan."""
    found = []
    lon, lat = site.home_lon_lat
    if math.isinf(spec.usable_s) and len(flights) > spec.drones:
        found.append(f"cut into {len(flights)} flights: {spec.drone.name} holds {spec.drone.max_items} mission items")
    if site.assumed_home:
        found.append(f"no home given: taken at the area's edge, {lat:.6f},{lon:.6f}; choose with --home LAT,LON")
    request = Request(
        spec.height_agl_m,
        spec.front_overlap,
        spec.sidelap,
        spec.footprint_m,
        spec.camera.gsd_m(spec.height_agl_m) * 100,
    )
    found += height_concerns(request, terrain, heights, site.named)
    if spec.height_frame == "terrain":
        found.append(
            "heights are above the ground that the vehicle knows: it needs TERRAIN_ENABLE 1, and a ground station that serves"
            " elevation before arming; set RTL_ALT_TYPE 1 to return above it too"
        )
    found += overlap_concerns(request, overlap, site.area, site.named)
    agl = max(float(flight.photo_agl_m.max()) for flight in flights)
    if agl > LEGAL_HEIGHT_M:
        found.append(f"{agl:.0f} m above ground is more than the {LEGAL_HEIGHT_M:.0f} m that most countries allow")
    farthest = max(float(np.hypot(*(flight.path[:, :2] - flight.path[0, :2]).T).max()) for flight in flights)
    if farthest > SIGHT_M:
        found.append(f"up to {farthest:.0f} m from home: beyond visual line of sight (about {SIGHT_M:.0f} m)")
    longest = max(flight.duration_s for flight in flights)
    if math.isinf(spec.usable_s) and longest > spec.drone.usable_s:
        battery = f"a battery of {spec.drone.name} {spec.drone.usable_s / 60:.0f} min with its reserve"
        found.append(f"the flight takes {longest / 60:.0f} min, {battery}: leave --endurance none out")
    elif longest > spec.drone.usable_s + 1:
        found.append(
            f"flights take up to {longest / 60:.0f} min, and {spec.drone.name} flies {spec.drone.usable_s / 60:.0f} min with its"
            " reserve: fly them only if its battery is known to last"
        )
    return found + _encounters(spec, motion, flights, terrain)


def _amsl(flight: Flight, terrain: Terrain | None) -> NDArray[np.float64]:
    return flight.path + np.array([0.0, 0.0, flight.home_amsl(terrain)])


def _encounters(spec: SurveySpec, motion: Motion, flights: tuple[Flight, ...], terrain: Terrain | None) -> list[str]:
    """Which drones come too near each other, where the first flights of all take off together, then the second ones."""
    each = [[flight for flight in flights if flight.drone == drone] for drone in range(1, spec.drones + 1)]
    found = []
    for together in zip_longest(*each):
        flown = [flight for flight in together if flight is not None]
        for first, second, after_s in near_misses([_amsl(flight, terrain) for flight in flown], motion):
            found.append(
                f"flights {flown[first].number} and {flown[second].number} come near each other at the same height"
                f" {after_s / 60:.0f} min after taking off together: let one take off some minutes later"
            )
    return found
