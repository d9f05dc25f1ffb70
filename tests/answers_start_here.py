"""Right answers to the exercises of notebook 00, written otherwise than the solutions."""

from fractions import Fraction

DIFFERENTLY = {"q1": [0.2, Fraction(1, 5)]}
