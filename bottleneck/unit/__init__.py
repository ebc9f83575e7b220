"""The trained part: units, each an encoder, a quantizer and a decoder behind one interface (`Unit`).

BottleneckUnit   the paper's: one depthwise-separable layer, mirrored; the default
ResidualUnit     deeper: residual blocks in each half
PlainUnit        shallower: one linear layer in each half
TokenUnit        linear maps of tokens (ViT, Swin)
AsymmetricUnit   a small encoder, a wide decoder, chosen separately
PooledUnit       one vector for a whole map
SlimUnit         Matsubara and Levorato's: replaces a detector's first layer
UnitSet          one of these for each of several tensors that are sent together
"""

from typing import Any

from bottleneck.unit.asymmetric import AsymmetricUnit
from bottleneck.unit.base import Unit, UnitOutput
from bottleneck.unit.depthwise import BottleneckUnit
from bottleneck.unit.plain import PlainUnit
from bottleneck.unit.pooled import PooledUnit
from bottleneck.unit.residual import ResidualUnit
from bottleneck.unit.sets import UnitSet
from bottleneck.unit.slim import SlimUnit
from bottleneck.unit.tokens import TokenUnit
from bottleneck.unit.transforms import AsIs, EachAsIs, Latent, Symbols, Transform, latent_codec, transform_for

__all__ = [
    "UNITS",
    "AsIs",
    "AsymmetricUnit",
    "BottleneckUnit",
    "EachAsIs",
    "Latent",
    "PlainUnit",
    "PooledUnit",
    "ResidualUnit",
    "SlimUnit",
    "Symbols",
    "TokenUnit",
    "Transform",
    "Unit",
    "UnitOutput",
    "UnitSet",
    "build",
    "latent_codec",
    "transform_for",
    "unit_class",
]

#: Units by their `kind`, as they are chosen; a `UnitSet` is made of them where several tensors are sent.
UNITS: dict[str, type[Unit]] = {
    unit.kind: unit
    for unit in (BottleneckUnit, ResidualUnit, PlainUnit, TokenUnit, AsymmetricUnit, PooledUnit, SlimUnit)
}


def unit_class(kind: str) -> type[Unit]:
    """The unit of a kind.

    Raises:
        ValueError: If the kind is unknown.
    """
    if not isinstance(kind, str) or kind not in UNITS:
        raise ValueError(f"A unit of kind {kind!r} is unknown. This release has {sorted(UNITS)}.")
    return UNITS[kind]


def build(options: dict[str, Any]) -> Unit:
    """The unit, untrained, whose `options` these are; without `kind` it is a `BottleneckUnit`.

    Raises:
        ValueError: If the kind is unknown, or an option out of range.
    """
    if options.get("kind") == UnitSet.kind:
        return UnitSet([build(each) for each in options["units"]])
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }
    return unit_class(arguments.pop("kind", BottleneckUnit.kind))(**arguments)
