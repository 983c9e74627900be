"""The cues by which a building is judged: what each means, what it needs, which way it points. Evidence E1-E11.

A cue is one measured number. A missing input leaves a cue NaN: it is masked, never zero.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CUES", "CUE_NAMES", "SIGNATURES", "Cue", "cues_of", "signature_of"]


@dataclass(frozen=True, slots=True)
class Cue:
    """One measured number.

    Attributes: name; code: the evidence it belongs to (E1-E11); needs: the inputs without which it does not exist; sign: +1 when
    more means more damage, -1 when less does, 0 when either may be; words: the reason given when it speaks for damage.
    """

    name: str
    code: str
    needs: frozenset[str]
    sign: int
    words: str


def _cue(name: str, code: str, needs: str, sign: int, words: str) -> Cue:
    return Cue(name, code, frozenset(needs.split()), sign, words)


PAIR = "surface pre_surface"
CUES = (
    _cue("loss_share", "E1", PAIR, 1, "much of the roof lies lower than before"),
    _cue("loss_small", "E1", PAIR, 1, "part of the roof lies lower than before"),
    _cue("loss_med", "E1", PAIR, 1, "the building lost height"),
    _cue("loss_p90", "E1", PAIR, 1, "the building lost height in places"),
    _cue("loss_rough", "E1", PAIR, 1, "the height changed unevenly"),
    _cue("height_missing", "E2", PAIR, 1, "lower than it was"),
    _cue("height_low", "E2", "surface", 1, "lower than the building should be"),
    _cue("low_share", "E2", "surface", 1, "part of the footprint is at ground level"),
    _cue("height_spread", "E2", "surface", 1, "uneven height"),
    _cue("rough_1m", "E3", "surface", 1, "the roof is rough"),
    _cue("rough_3m", "E3", "surface", 1, "the roof is not planar"),
    _cue("rough_peak", "E3", "surface", 1, "the roof is broken in places"),
    _cue("rough_1m_rel", "E3", "surface", 1, "rougher than intact roofs of the area"),
    _cue("normal_entropy", "E3", "surface", 1, "roof facets point everywhere"),
    _cue("edge_disorder", "E4", "post", 1, "edges in disorder"),
    _cue("line_share", "E4", "post", -1, "few straight lines along the walls"),
    _cue("edge_density", "E5", "post", 1, "many edges on the roof"),
    _cue("edge_density_rel", "E5", "post", 1, "more edges than on intact roofs of the area"),
    _cue("laplacian", "E5", "post", 1, "fine debris texture"),
    _cue("glcm_contrast", "E5", "post", 1, "strong contrast on the roof"),
    _cue("glcm_homogeneity", "E5", "post", -1, "the roof is not uniform"),
    _cue("glcm_entropy", "E5", "post", 1, "irregular texture"),
    _cue("glcm_entropy_rel", "E5", "post", 1, "more irregular than intact roofs of the area"),
    _cue("brightness_spread", "E5", "post", 1, "mixed bright and dark parts"),
    _cue("colour_mix", "E5", "post colour", 0, "mixed colours"),
    _cue("edge_support", "E6", "post", -1, "the outline of the building is not visible"),
    _cue("apron_edges", "E7", "post", 1, "debris around"),
    _cue("apron_edges_rel", "E7", "post", 1, "more debris around than elsewhere"),
    _cue("apron_contrast", "E7", "post", -1, "the roof does not stand out from its surroundings"),
    _cue("apron_rough", "E7", "surface", 1, "rough ground around"),
    _cue("unlike", "E8", "post pre", 1, "the roof looks unlike before"),
    _cue("uncorrelated", "E8", "post pre", 1, "the roof's pattern is gone"),
    _cue("edges_gained", "E8", "post pre", 1, "more edges than before"),
    _cue("brightness_change", "E8", "post pre", 1, "the roof's brightness changed"),
    _cue("colour_change", "E8", "post pre colour", 1, "the roof's colour changed"),
    _cue("burnt", "E9", "post colour", 1, "burnt surfaces"),
    _cue("tarpaulin", "E9", "post colour", 0, "tarpaulin on the roof"),
    _cue("mud_around", "E9", "post colour", 0, "mud or brown water around"),
    _cue("dark_holes", "E10", "post", 1, "dark holes in the roof"),
    _cue("roof_pits", "E10", "surface", 1, "holes in the roof's surface"),
    _cue("shadow", "E11", "post", -1, "casts no shadow"),
)
CUE_NAMES = tuple(cue.name for cue in CUES)

# Inputs of each signature; the last two are pre+post+surface without an earlier image, or without an earlier surface.
SIGNATURES: dict[str, frozenset[str]] = {
    "post": frozenset({"post"}),
    "pre+post": frozenset({"post", "pre"}),
    "post+surface": frozenset({"post", "surface"}),
    "pre+post+surface": frozenset({"post", "pre", "surface", "pre_surface"}),
    "post+surface pair": frozenset({"post", "surface", "pre_surface"}),
    "pre+post+later surface": frozenset({"post", "pre", "surface"}),
}


def signature_of(inputs: frozenset[str]) -> str:
    """The signature of a set of inputs (post, pre, surface, pre_surface); an earlier surface alone says nothing."""
    usable = inputs - {"colour"} if "surface" in inputs else inputs - {"pre_surface", "colour"}
    return next(name for name, needed in SIGNATURES.items() if needed == usable)


def cues_of(signature: str) -> NDArray[np.intp]:
    """Indices into CUES of the cues that exist for a signature."""
    present = SIGNATURES[signature] | {"colour"}
    return np.array([index for index, cue in enumerate(CUES) if cue.needs <= present])
