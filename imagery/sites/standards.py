"""The humanitarian standards in force: every number with its source, by profile, overridable by the user's own file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError

__all__ = ["Standard", "Standards", "load_standards", "profiles"]

TABLE = Path(__file__).with_name("standards.toml")
PROVENANCES = ("quoted", "reported", "common", "design", "user")


@dataclass(frozen=True, slots=True)
class Standard:
    """One number.

    Attributes: source: where it comes from; provenance: quoted, reported, common, design or user; verified: whether the
    figure was checked against a document that quotes or read the primary text.
    """

    name: str
    value: float
    unit: str
    source: str
    provenance: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Standards:
    """The numbers of one profile: `standards["tent_gap_m"]` is the value, `standards.of("tent_gap_m")` all about it."""

    profile: str
    entries: Mapping[str, Standard]

    def __getitem__(self, name: str) -> float:
        return self.entries[name].value

    def of(self, name: str) -> Standard:
        """The value of `name` with its unit, source and verification."""
        return self.entries[name]

    @property
    def community_tents(self) -> int:
        """Tents of one community: two facing rows."""
        return 2 * int(self["community_columns"])


def profiles() -> list[str]:
    """The names of the profiles."""
    return list(_read(TABLE)["profile"])


def load_standards(profile: str = "standard", override: str | Path | None = None) -> Standards:
    """The shipped standards with a profile's changes, then the user's own.

    Args:
        profile: minimum, standard, fire, cold or services-outside.
        override: a TOML file of the shipped form with the tables to change.

    Raises:
        BadInputError: an unknown profile, or a file that is not of that form.
    """
    table = _read(TABLE)
    changes = table.pop("profile")
    if profile not in changes:
        raise BadInputError(f"there is no profile {profile!r}: give one of {', '.join(changes)}")
    entries = {name: Standard(name, **fields) for name, fields in table.items()}
    for name, value in changes[profile].items():
        entries[name] = replace(entries[name], value=float(value), source=f"{entries[name].source} (profile {profile})")
    if override is not None:
        entries |= _overridden(entries, Path(override))
    return Standards(profile, entries)


def _overridden(entries: Mapping[str, Standard], path: Path) -> dict[str, Standard]:
    changed = {}
    for name, fields in _read(path).items():
        if name not in entries:
            near = get_close_matches(name, entries, n=2)
            hint = f": did you mean {' or '.join(near)}?" if near else ""
            raise BadInputError(f"{path}: there is no standard {name!r}{hint}")
        value = fields.get("value") if isinstance(fields, dict) else fields
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise BadInputError(f"{path}: {name} must have a value that is a number of 0 or more, not {value!r}")
        given = {key: text for key, text in fields.items() if key != "value"} if isinstance(fields, dict) else {}
        if unknown := set(given) - {"unit", "source", "provenance", "verified"}:
            raise BadInputError(f"{path}: {name} has unknown fields: {', '.join(sorted(unknown))}")
        defaults = {"source": f"the user's file {path.name}", "provenance": "user", "verified": False}
        changed[name] = replace(entries[name], value=float(value), **(defaults | given))
    return changed


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInputError(f"{path}: there is no such file of standards") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: not a TOML file of standards ({error})") from None
