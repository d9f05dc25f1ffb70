"""Right answers to the exercises of notebook 00, written otherwise than the solutions."""

from fractions import Fraction

import torch

DIFFERENTLY = {
    "q1": [0.2, Fraction(1, 5), torch.tensor(0.2)],
    "q2": ["It depends on the loss.", "IT DEPENDS ON THE LOSS"],
}

WRONG = {
    "q1": [(torch.tensor(0.8), "that is the share of the normal payments"),
           (0.25, "not the share")],
    "q2": [("53%", "strictly proper")],
}
