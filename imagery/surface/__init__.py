"""The surface: dense matching of the photos, the surface model and the terrain model."""

from imagery.surface.build import QUALITIES, Quality, SurfaceResult, build_surface

__all__ = ["QUALITIES", "Quality", "SurfaceResult", "build_surface"]
