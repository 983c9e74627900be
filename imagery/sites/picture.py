"""An overview picture of the sites over the orthomosaic."""

from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from imagery.core.files import atomic_path
from imagery.sites.find import Site, SitesResult
from imagery.sites.suitability import Reason

__all__ = ["draw_sites"]

COLOURS = {
    "tent": "#f8f4e3", "latrine": "#7b3fa0", "water": "#1f77d0", "lamp": "#ffd43b", "facility": "#e8590c",
    "road": "#343a40", "path": "#868e96", "firebreak": "#c0eb75", "site": "#2b8a3e",
}  # fmt: skip


def draw_sites(result: SitesResult, rgb: NDArray[np.float32] | None, path: str | Path, dpi: int = 160) -> None:
    """Draw all sites on the analysed ground, with the best one enlarged, to a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    overview, detail = figure.subplots(1, 2)
    for axes in (overview, detail):
        axes.imshow(_background(result, rgb), extent=_extent(result), interpolation="nearest")
        axes.set_aspect("equal")
        axes.tick_params(labelsize=6)
        axes.ticklabel_format(useOffset=False, style="plain")
    for site in result.sites:
        _draw_site(overview, site, detailed=False)
    best = result.sites[0]
    _draw_site(detail, best, detailed=True)
    x0, y0, x1, y1 = best.shape.bounds
    margin = 0.04 * max(x1 - x0, y1 - y0) + 5
    detail.set_xlim(x0 - margin, x1 + margin)
    detail.set_ylim(y0 - margin, y1 + margin)
    overview.set_title(f"{len(result.sites)} sites, {result.persons} persons; excluded ground is darkened", fontsize=9)
    detail.set_title(f"site {best.number}: {best.persons} persons, {best.shape.area / 1e4:.2f} ha", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def _extent(result: SitesResult) -> tuple[float, float, float, float]:
    grid = result.ground.grid
    return (
        grid.west_m,
        grid.west_m + grid.width * grid.cell_m,
        grid.north_m - grid.height * grid.cell_m,
        grid.north_m,
    )


def _background(result: SitesResult, rgb: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """The orthomosaic, or the ground's height in grey, darker where excluded; at most 2000 cells a side."""
    step = max(1, max(result.ground.grid.shape) // 2000)
    if rgb is not None:
        image = np.nan_to_num(rgb[:, ::step, ::step], nan=1.0).transpose(1, 2, 0).clip(0, 1)
    else:
        height = result.ground.bare_m[::step, ::step]
        grey = 0.45 + 0.5 * (height - height.min()) / max(float(np.ptp(height)), 1e-6)
        image = np.repeat(grey[..., None], 3, axis=2)
    usable = result.ground.reason[::step, ::step] == Reason.USABLE
    return np.where(usable[..., None], image, 0.55 * image).astype(np.float32)


def _draw_site(axes, site: Site, detailed: bool) -> None:  # type: ignore[no-untyped-def] # matplotlib is imported lazily
    layout = site.layout
    _outline(axes, site.shape, COLOURS["site"], 1.2)
    _fill(axes, layout.firebreaks, COLOURS["firebreak"], alpha=0.5)
    for lines, colour, width in ((layout.paths, "path", 0.5), (layout.roads, "road", 1.4)):
        for line in lines:
            axes.plot(*line.xy, color=COLOURS[colour], linewidth=width)
    for line in (site.access.gate, site.access.line):
        if line is not None:
            axes.plot(*line.xy, color="#c92a2a", linewidth=1.4)
    _fill(axes, layout.tents, COLOURS["tent"])
    _fill(axes, layout.latrines, COLOURS["latrine"])
    _fill(axes, layout.stands, COLOURS["water"])
    _fill(axes, [place.shape for place in layout.facilities], COLOURS["facility"])
    if detailed and layout.lamps:
        axes.plot(
            *np.array([lamp.point.coords[0] for lamp in layout.lamps]).T, ".", color=COLOURS["lamp"], markersize=2
        )
    if not detailed:
        centre = site.shape.representative_point()
        axes.text(centre.x, centre.y, str(site.number), color="white", fontsize=9, weight="bold")


def _outline(axes, shape: shapely.Polygon, colour: str, width: float) -> None:  # type: ignore[no-untyped-def]
    for ring in (shape.exterior, *shape.interiors):
        axes.plot(*ring.xy, color=colour, linewidth=width)


def _fill(axes, shapes, colour: str, alpha: float = 1.0) -> None:  # type: ignore[no-untyped-def]
    from matplotlib.collections import PolyCollection

    rings = [np.array(shape.exterior.coords) for shape in shapes]
    axes.add_collection(
        PolyCollection(rings, facecolors=colour, edgecolors="black", linewidths=0.15, alpha=alpha, zorder=2)
    )
