"""The course's data: finding, downloading, checking and splitting them.

What belongs here: everything between a file (or the network, or a random generator) and the tensors
that a notebook trains on. What does not: losses and training. The data cards are in
``data/README.md``.
"""

from .ants_bees import (
    AntsBees,
    Features,
    FeatureSet,
    Photos,
    drawn_ants_bees,
    extract_features,
    load_ants_bees,
    load_features,
)
from .backbones import Backbone, load_backbone
from .creditcard import CreditCard, Part, Split, creditcard_twin, load_creditcard
from .sources import DataError, DataSource

__all__ = ["AntsBees", "Backbone", "CreditCard", "DataError", "DataSource", "FeatureSet",
           "Features", "Part", "Photos", "Split", "creditcard_twin", "drawn_ants_bees",
           "extract_features", "load_ants_bees", "load_backbone", "load_creditcard",
           "load_features"]
