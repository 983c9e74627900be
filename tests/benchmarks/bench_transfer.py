"""Missions over bad links: `python -m tests.benchmarks.bench_transfer` prints how long a verified upload of 650 items takes.

Each cell uploads mission (650 items with the home), fence and rally points to the embedded simulator through a proxy that
loses, delays, repeats (5 %) and reorders (5 %) packets each way, and reads everything back. The floor is what no sender can beat
on a link without loss: clear, announce, send, ask for the count and read back are five round trips for each of the three lists.
The ordinary way, one item at a time, needs two round trips for every item.

The proxy's pattern is the same for the same seed; which packets it meets is a matter of timing, so seconds vary a little.
"""

import argparse
import time
from dataclasses import replace

from imagery.core.errors import LinkError
from planner.link.vehicle import Vehicle, connect
from planner.mission import MissionItem
from sitl.autopilot import Copter
from sitl.endpoint import serve
from sitl.faults import LinkFaults, bad_link
from tests.planner.link.conftest import HOME, survey, waypoint

ITEMS = 650
LOSSES, LATENCIES_S = (0.0, 0.1, 0.2, 0.3), (0.0, 0.5, 2.0)
ROUND_TRIPS = 5 * 3
MISSION = replace(survey(), items=(MissionItem(22, 3, z=30), *(waypoint(n % 40, n) for n in range(ITEMS - 2))))


def main() -> None:
    """Print the loopback's seconds and the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="Repeat the matrix with other patterns of loss.")
    seeds = range(parser.parse_args().seeds)
    print(f"loopback, no faults: {measured(None)[1]:.1f} s for {ITEMS} items, verified", flush=True)
    print("  loss  latency  seed  connect   upload   floor  x floor   one by one  result", flush=True)
    for seed in seeds:
        for latency_s in LATENCIES_S:
            for loss in LOSSES:
                faults = LinkFaults(loss=loss, latency_s=latency_s, duplicates=0.05, reordering=0.05, seed=seed)
                connecting, seconds, result = measured(faults)
                floor = ROUND_TRIPS * 2 * latency_s
                times = f"{seconds / floor:7.2f}" if floor else "      -"
                ordinary = 2 * ITEMS * 2 * latency_s
                print(
                    f"{100 * loss:4.0f} %  {latency_s:5.1f} s {seed:5}  {connecting:6.1f} s {seconds:6.1f} s  {floor:4.0f} s"
                    f"  {times}  {ordinary:9.0f} s  {result}",
                    flush=True,
                )


def measured(faults: LinkFaults | None) -> tuple[float, float, str]:
    """Seconds to connect and to upload, and how it ended."""
    from planner.link.transfer import upload_mission

    copter = Copter(HOME, parameters={"CAM1_TYPE": 1})

    def upload(url: str) -> tuple[float, float, str]:
        began = time.monotonic()
        with connect(url, timeout_s=60) as vehicle:
            connected = time.monotonic()
            wait_for_missions(vehicle)
            started = time.monotonic()
            try:
                upload_mission(vehicle, MISSION)
                result = "verified" if len(copter.mission) == ITEMS else "WRONG"
            except LinkError as error:
                result = f"refused: {error}"
            return connected - began, time.monotonic() - started, result

    with serve(copter, speedup=1) as endpoint:
        if faults is None:
            return upload(endpoint.url)
        with bad_link(endpoint.url, faults) as url:
            return upload(url)


def wait_for_missions(vehicle: Vehicle) -> None:
    """Right after its boot a vehicle takes no missions; that is no matter of the link."""
    time.sleep(3.0)


if __name__ == "__main__":
    main()
