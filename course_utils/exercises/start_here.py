"""Exercises of notebook 00."""

from . import Choice, Number

q1 = Number(
    hints=["Which curve of the belief map belongs to cross entropy?",
           "On the diagonal the belief equals the true share, so what is the true share here?",
           "One in five: how many in a hundred would that be, and as a number from 0 to 1?"],
    answer="belief_one_in_five = 1 / 5",
    why="The belief of cross entropy is the true share, and 1 in 5 is 0.2.",
    value=0.2,
    mistakes={
        0.0: "0 would be right for decisions (most of them are normal), or for the absolute error; "
             "cross entropy rewards the true share",
        0.1: "that was the share among the ten payments of section 3; here it is one in five",
        0.31: "that is the belief of focal loss at one in ten; the question is about cross entropy",
        0.5: "one half would be right if every other payment were a fraud",
        0.8: "that is the share of the normal payments; the question is about frauds",
        1.0: "that would mean that all of them are frauds",
        5.0: "that is one over the share; a probability lies between 0 and 1",
        20.0: "that is the share in per cent; write it as a number between 0 and 1",
    },
    otherwise="not the share; try belief(cross_entropy, ...) with the true share in place of the "
              "dots",
)

q2 = Choice(
    hints=["Look at the height 0.53 in the belief map. Which curves pass through it, and where?",
           "A weighted loss says 0.53 at a true probability of 0.1. What does cross entropy say "
           "there?",
           "The same answer belongs to different true shares. What decides which of them it is?"],
    answer='share_of_frauds = "it depends on the loss"',
    why="After cross entropy 53 % of them are frauds, after a weight of 10 it is 10 %. The number "
        "alone does not say which.",
    right="it depends on the loss",
    replies={
        "53 %": "that holds for a strictly proper loss such as cross entropy; do you know that it "
                "was one?",
        "10 %": "that holds for a weight of 10; do you know that there was one?",
        "more than half": "with a weight of 10, the model says 0.53 where one in ten is a fraud",
        "it depends on the threshold": "a threshold turns the answer into a decision; it does not "
                                       "change what the answer means",
    },
)
