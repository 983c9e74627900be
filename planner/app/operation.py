"""An operation folder: where the products of one response lie, for the demo, the report and the console alike."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Operation"]


@dataclass(frozen=True, slots=True)
class Operation:
    """The paths of an operation; none of them need exist.

    Attributes: folder: the operation's root.
    """

    folder: Path

    @property
    def area(self) -> Path:
        """What was there before: the area, and layers such as footprints and a pre-event image."""
        return self.folder / "area"

    @property
    def plan(self) -> Path:
        """What `skyrelief plan` wrote."""
        return self.folder / "plan"

    @property
    def flights(self) -> Path:
        """One folder a flight, with photos.csv and the .tlog."""
        return self.folder / "flights"

    @property
    def photos(self) -> Path:
        """The photos of every flight."""
        return self.folder / "photos"

    @property
    def stitch(self) -> Path:
        """What `skyrelief stitch` wrote."""
        return self.folder / "stitch"

    @property
    def damage(self) -> Path:
        """The graded buildings."""
        return self.folder / "damage.gpkg"

    @property
    def sites(self) -> Path:
        """The tent sites, with rules.json beside them."""
        return self.folder / "sites.gpkg"

    @property
    def needs(self) -> Path:
        """The order sheet."""
        return self.folder / "needs.csv"

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.folder / "report.html"
