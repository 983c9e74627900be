"""Looking things up by id in a catalogue, forgiving in spelling and helpful when there is no such thing."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from imagery.core.errors import BadInputError

__all__ = ["look_up"]

T = TypeVar("T")


def look_up(what: str, id: str, entries: Mapping[str, T], others: str) -> T:
    """The entry of an id, in any case and with spaces or underscores for hyphens.

    what: the kind of thing, for the message; others: what the message lists when no id is near. Raises BadInputError naming the
    nearest ids.
    """
    key = id.strip().lower().replace(" ", "-").replace("_", "-")
    if key in entries:
        return entries[key]
    near = get_close_matches(key, entries, n=4, cutoff=0.4) or [name for name in entries if key and key in name][:4]
    hint = f": did you mean {', '.join(near)}?" if near else f"; there are {others}"
    raise BadInputError(f"unknown {what} {id!r}{hint}")
