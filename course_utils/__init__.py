"""Helpers of the course *What should a classifier believe?* (loss functions in PyTorch).

Each module states at its top what belongs in it. Nothing is imported here, so that
``import course_utils`` costs nothing. Write ``from course_utils import losses, plots``.
"""

__version__ = "0.1.0"
