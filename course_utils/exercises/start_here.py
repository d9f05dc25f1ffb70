"""Exercises of notebook 00."""

from . import Number

q1 = Number(
    hints=["Cross entropy rewards the truth.", "Of five look-alikes, one is a fraud."],
    answer="belief_one_in_five = 1 / 5",
    why="Cross entropy's belief is the true share, and 1 in 5 is 0.2.",
    value=0.2,
    mistakes={
        0.31: "that is focal loss, and at one in ten; the question is about cross entropy",
        0.8: "that is the share of the normal ones; we ask for the probability of a fraud",
        20.0: "a probability lies between 0 and 1: not 20, but 20 %",
        0.5: "one half would be right if every other one were a fraud",
        5.0: "that is one over the share",
    },
)
