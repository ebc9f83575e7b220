"""What a head makes of a data set: computed once and read from disk, or computed for each batch."""

from bottleneck.features.cache import FeatureCache
from bottleneck.features.sources import CachedFeatures, LiveFeatures, features_of

__all__ = ["CachedFeatures", "FeatureCache", "LiveFeatures", "features_of"]
