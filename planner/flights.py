"""Flights: the chosen lines cut into sorties, laid over the ground, with the photos taken on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imagery.core.errors import BadInputError
from planner.coverage.proof import line_photos
from planner.coverage.task import Choice, Task
from planner.flight_time import flight_seconds, passing_seconds
from planner.ground import return_clearance_m
from planner.mission import SAME_M, item_count
from planner.separation import APART_M, raised_ways
from planner.site import Home
from planner.sorties import EVEN, ITEMS_A_LINE, Base, Clock, Sortie, split
from planner.spec import SurveySpec
from planner.terrain import HeightLimits, Return, Terrain, follow, safe_return
from planner.timing import Motion, path_seconds

__all__ = ["Flight", "bases_of", "fly_all"]

PROMISED = 1.10  # longest flight by the shortest
ITEMS_BESIDE = 16  # mission items of a flight beside those of its lines


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight from home to home.

    Attributes: number, from 1; drone, from 1; path: n x 3: east, north, height above home in metres, first and last at home;
    lines: m x 2, the vertices of the path at which each photographed line begins and ends; photos: k x 3 on the path;
    course_deg: k, clockwise from north; photo_agl_m: k, height above ground; cruise_s: from home to home at height, as
    planners are compared; duration_s: as flown, with take-off and landing; homeward: what straight ways home need, None where
    the ground is not known. Where the camera does not look straight down: yaw_deg, gimbal_pitch_deg: k, of the camera; aims:
    m x 3, what it looks at on each line, heights above home.
    """

    number: int
    drone: int
    path: NDArray[np.float64]
    lines: NDArray[np.int64]
    photos: NDArray[np.float64]
    course_deg: NDArray[np.float64]
    photo_agl_m: NDArray[np.float64]
    cruise_s: float
    duration_s: float
    homeward: Return | None = None
    yaw_deg: NDArray[np.float64] | None = None
    gimbal_pitch_deg: NDArray[np.float64] | None = None
    aims: NDArray[np.float64] | None = None

    def home_of(self, homes: Sequence[Home]) -> Home:
        """The flight's own of a plan's homes, which drones share in turn where there are fewer."""
        return homes[(self.drone - 1) % len(homes)]

    def home_amsl(self, terrain: Terrain | None) -> float:
        """Height of the home's ground above mean sea level, 0 where it is not known."""
        return 0.0 if terrain is None else float(terrain.at(*self.path[0, :2]))


def bases_of(spec: SurveySpec, homes: Sequence[Home], motion: Motion) -> tuple[Base, ...]:
    """Where each drone takes off and lands, and the seconds of that; to the ways of several drones they also climb."""
    found = []
    for drone in range(spec.drones):
        up_m = (drone + 1) * APART_M if spec.drones > 1 else 0.0
        joints_s = up_m / motion.climb_m_s + up_m / motion.descent_m_s
        overhead_s = motion.take_off_and_land_s(spec.height_agl_m + up_m) + joints_s
        found.append(Base(homes[drone % len(homes)].xy, overhead_s))
    return tuple(found)


def fly_all(
    spec: SurveySpec, task: Task, choice: Choice, bases: Sequence[Base], terrain: Terrain | None
) -> tuple[Flight, ...]:
    """The choice cut into flights, none of them longer than usable or with more mission items than the drone holds.

    What the terrain takes in waypoints and seconds on the lines is known beforehand; what it takes on the ways from and to home
    only when a flight is laid over it: as long as one flight has too many, the flights are cut anew for so many fewer, and once
    more if that made them uneven. The flights of one drone follow one another in the order of the lines, so that drones work
    side by side.
    """
    most = allowed = spec.drone.max_items
    usable_s, even = spec.usable_s, EVEN
    clock, line_items = _in_one_go(spec, task, choice, terrain)
    while allowed > line_items.max() + ITEMS_BESIDE:
        sorties = split(task, choice, clock, usable_s, bases, allowed, line_items, even)
        flights = tuple(fly(spec, task, sortie, number, terrain) for number, sortie in enumerate(sorties, 1))
        worst = max(item_count(flight, task.motion) for flight in flights)
        seconds = [flight.duration_s for flight in flights]
        longest_s, uneven = max(seconds), max(seconds) / min(seconds)
        if worst <= most and longest_s <= spec.usable_s + 0.5:
            if even < EVEN or not PROMISED < uneven < PROMISED * EVEN:
                return flights if terrain is None else tuple(_homeward(spec, flight, terrain) for flight in flights)
            even = EVEN * PROMISED / uneven
        if worst > most:
            allowed = min(allowed - 1, int(allowed * most / worst))
        if longest_s > spec.usable_s:
            usable_s *= spec.usable_s / longest_s * 0.999
    raise BadInputError(
        f"following the ground takes more waypoints on one line than the {most} mission items that {spec.drone.name} holds:"
        " plan a smaller area, or higher"
    )


def fly(spec: SurveySpec, task: Task, sortie: Sortie, number: int, terrain: Terrain | None) -> Flight:
    """A sortie as a path with heights and photos; of several drones, each has its ways from and to home at its own height."""
    motion, drone = task.motion, sortie.drone + 1
    path, lines = _laid(spec, motion, sortie, terrain)
    points, of_line = line_photos(sortie.lines, task.trigger_m)
    photos = np.column_stack([points, _heights_on(path, lines, points, of_line)])
    ground = np.zeros(len(points))
    if terrain is not None:
        ground = terrain.at(points[:, 0], points[:, 1]) - float(terrain.at(*path[0, :2]))
    courses = sortie.lines[:, 1] - sortie.lines[:, 0]
    if spec.drones > 1:
        path, lines = raised_ways(path, lines, drone * APART_M)
    return Flight(
        number=number,
        drone=drone,
        path=path,
        lines=lines,
        photos=photos,
        course_deg=np.degrees(np.arctan2(courses[:, 0], courses[:, 1]))[of_line] % 360,
        photo_agl_m=photos[:, 2] - ground,
        cruise_s=path_seconds(path, motion),
        duration_s=flight_seconds(path, motion),
    )


def _laid(
    spec: SurveySpec, motion: Motion, sortie: Sortie, terrain: Terrain | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A sortie's path with heights above its home's ground, and the vertices at which each line begins and ends."""
    flat, ends = _vertices(sortie)
    if terrain is None:
        return np.column_stack([flat, np.full(len(flat), spec.height_agl_m)]), ends
    limits = HeightLimits.of(spec.height_agl_m, motion.climb_m_s, motion.descent_m_s, motion.speed_m_s)
    path, former = follow(flat, terrain, float(terrain.at(*flat[0])), limits)
    return path, former[ends]


def _in_one_go(
    spec: SurveySpec, task: Task, choice: Choice, terrain: Terrain | None
) -> tuple[Clock, NDArray[np.int64]]:
    """When each line is entered and left, and the mission items that it takes with the way to the next, in a single flight."""
    path, lines = _laid(spec, task.motion, Sortie(0, choice.lines, choice.order.ways), terrain)
    seconds = passing_seconds(path, task.motion)
    bends = np.array([len(way) - 2 for way in choice.order.ways[1:-1]] + [0])
    until = np.r_[lines[1:, 0] - 1, lines[-1, 1]]
    return Clock(*seconds[lines.T]), ITEMS_A_LINE + until - lines[:, 0] - 1 - bends


def _homeward(spec: SurveySpec, flight: Flight, terrain: Terrain) -> Flight:
    """The flight with what its straight ways home need."""
    home_amsl_m, clearance_m = float(terrain.at(*flight.path[0, :2])), return_clearance_m(spec.height_agl_m)
    return replace(flight, homeward=safe_return(flight.path, terrain, home_amsl_m, clearance_m))


def _vertices(sortie: Sortie) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The path (n x 2) and the vertices at which each line begins and ends (m x 2)."""
    vertices = [sortie.ways[0][0]]
    ends: list[tuple[int, int]] = []
    for line, way in zip(sortie.lines, sortie.ways[:-1], strict=True):
        if ends and math.dist(way[0], way[-1]) < SAME_M:
            vertices.append(
                line[1]
            )  # the line goes on where the one before ended: a second vertex there would be a stop
        else:
            vertices += [*way[1:-1], line[0], line[1]]
        ends.append((len(vertices) - 2, len(vertices) - 1))
    vertices += list(sortie.ways[-1][1:])
    return np.array(vertices), np.array(ends)


def _heights_on(
    path: NDArray[np.float64], ends: NDArray[np.int64], points: NDArray[np.float64], of_line: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The path's height at points on its lines."""
    heights = np.empty(len(points))
    for line, (first, last) in enumerate(ends):
        on = of_line == line
        stretch = path[first : last + 1]
        along = np.hypot(*(stretch[:, :2] - stretch[0, :2]).T)
        heights[on] = np.interp(np.hypot(*(points[on] - stretch[0, :2]).T), along, stretch[:, 2])
    return heights
