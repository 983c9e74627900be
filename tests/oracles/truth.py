"""Print how far results are from the world that they were made of.

python -m tests.oracles.truth WORLD --stitch DIR [--poses FILE] [--damage FILE] [--json]
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imagery.core.files import to_json
from sitl.truth import compare_stitch, damage_error
from sitl.world import World


def measured(world_dir: Path, stitch: Path | None, poses: Path | None, damage: Path | None) -> dict[str, Any]:
    """All errors that the given results allow, as nested dicts."""
    world = World.load(world_dir)
    out = compare_stitch(world, stitch, poses) if stitch else {}
    if damage:
        out["damage"] = asdict(damage_error(world, damage))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", type=Path)
    for name in ("stitch", "poses", "damage"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measured(options.world, options.stitch, options.poses, options.damage)
    if options.json:
        print(to_json(found))
        return
    gsd_m = found.get("mosaic", {}).get("gsd_m")
    for part, values in found.items():
        print(part)
        for name, value in values.items():
            print(f"  {name:18s} {_short(value)}{_in_pixels(name, value, gsd_m)}")


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else json.dumps(value)


def _in_pixels(name: str, value: Any, gsd_m: float | None) -> str:
    """A length in metres as a multiple of the orthomosaic's ground sampling distance."""
    return f"   {value / gsd_m:.2f} GSD" if gsd_m and isinstance(value, float) and name.endswith("_m") else ""


if __name__ == "__main__":
    main()
