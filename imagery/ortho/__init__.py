"""The orthomosaic: projection of the photos onto the surface, seams, colour, and the cloud-optimised GeoTIFF."""

from imagery.ortho.mosaic import MosaicResult, build_mosaic

__all__ = ["MosaicResult", "build_mosaic"]
