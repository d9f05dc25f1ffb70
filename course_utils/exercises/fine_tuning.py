"""Exercises of notebook 06."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from . import Choice, Function, Number

q1 = Number(
    hints=["A linear layer has a weight for every pair of a feature and a class, and more.",
           "Count for one class first: a weight for each feature, and one number besides.",
           "That number is the bias of the class. How many classes are there?"],
    answer="numbers = (512 + 1) * 3",
    why="1539 numbers: a head for three classes is trained in no time. The old one, for 1000 "
        "classes, has 513,000.",
    value=1539,
    within=1e-6,
    mistakes={
        1536: "these are the weights; each class also has a bias",
        513: "that is one class; there are three",
        512: "these are the features that one class looks at; count all classes and the biases",
        1537: "each class has a bias of its own",
        515: "every class has a weight for every feature: multiply, and then add the biases",
        2048: "these are the weights, and there would be a bias for every feature; count one bias "
              "for each class",
        513_000: "that is the old head, of 1000 classes",
        512_000: "that is the old head, of 1000 classes, and without its biases",
        3843: "that is a head on 1280 features; those of a ResNet-18 are 512",
        3840: "that is a head on 1280 features, without biases; those of a ResNet-18 are 512",
        3: "that is how many numbers come out; how many are learned?",
        1026: "that is a head for two classes; here there are three",
    },
)

q2 = Number(
    hints=["A fair comparison asks the same question before and after. Which question can a head "
           "with two outputs be asked?",
           "After training, the question is 'between the two'. Which number before belongs to it?",
           "Training lifted 150 to 156. Compare that with the 36 photos that the report claims."],
    answer="share = (156 - 150) / (156 - 120)",
    why="6 of 36 photos. The other 30 came with the change of the question, before any training.",
    value=6 / 36,
    within=0.025,  # 0.17, as one would say it
    mistakes={
        30 / 36: "that is the share that the change of the question brought; training did the rest",
        6: "that is the number of photos; which share of the 36 is it?",
        30: "that many photos came with the change of the question; what is left for training?",
        1: "then the question would have changed nothing; compare 120 with 150",
        0: "the same question before and after: 150 and 156, so training brought something",
        100 / 6: "right in percent; give it as a share of 1",
        6 / 200: "that is the gain as a share of all photos; the question asks for a share of the "
                 "36",
        6 / 156: "divide by the gain that the report claims, not by the photos that are right",
        6 / 150: "divide by the gain that the report claims, not by the photos that are right",
        6 / 30: "that compares training with the change of the question; divide by both together",
        36 / 200: "that is the claimed gain as a share of all photos",
        36 / 156: "the whole claimed gain stands above the line; which part of it is training?",
    },
    otherwise="not the share; which number before training answers the same question as the 156?",
)

q3 = Choice(
    hints=["The weights are the same each time, and so are the pictures. What lies between the "
           "file of a picture and the network?",
           "Which of the five lines is used when a picture is *predicted*, and can give something "
           "else the next time?",
           "Shuffling and the learning rate belong to training, and it is over. The order of the "
           "rows does not change a row."],
    answer='cause = "random crop"',
    why="Augmentation is for training. What you judge or predict goes through the same fixed steps "
        "each time: resize, centre crop, normalise.",
    right="random crop",
    replies={
        "shuffle": "that line belongs to training, and the weights were saved after it; in "
                   "prediction nothing is shuffled",
        "weights_only": "it only refuses files that want to run code; the tensors that it loads "
                        "are the same each time",
        "sorted": "sorting decides which row comes first, and it does so the same each time",
        "learning rate": "nothing is trained any more, so no learning rate is used",
    },
)


q4 = Number(
    hints=["A photo is right or wrong, 1 or 0: how much does one of them scatter?",
           "One photo has the variance p (1 - p). The mean of n of them has an n-th of that.",
           "The standard error is a standard deviation; what you have now is a variance."],
    answer="standard_error = (0.95 * 0.05 / 153) ** 0.5",
    why="1.8 percentage points, nearly three photos: so far one measurement strays. Two models "
        "judged by the same photos share much of that luck; compare them in pairs (section 6).",
    value=(0.95 * 0.05 / 153) ** 0.5,
    within=0.03,  # 1.8 %, as one would say it
    mistakes={
        0.95 * 0.05 / 153: "that is the variance; take its square root",
        (0.95 * 0.05) ** 0.5: "that is the spread of a single photo; a mean of 153 scatters less",
        (0.25 / 153) ** 0.5: "that is for p = 0.5; here p is 0.95",
        1 / 153**0.5: "one over root n leaves out p (1 - p)",
        100 * (0.95 * 0.05 / 153) ** 0.5: "right in percentage points; give it as a share of 1",
        2 * (0.95 * 0.05 / 153) ** 0.5: "that is two standard errors",
        1.96 * (0.95 * 0.05 / 153) ** 0.5: "that is the half width of a 95 % interval, about two "
                                           "standard errors",
        (0.95 * 0.05 * 153) ** 0.5: "that is in photos; as a share, divide it by 153",
        (0.95 / 153) ** 0.5: "the variance of one photo is p (1 - p), not p",
        (0.95 * 0.05) ** 0.5 / 153: "the spread of a mean falls with the root of n, not with n",
        0.05: "that is the share of wrong answers; how far does its measurement scatter?",
    },
)


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)


def _undone(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    return (x * _column(std) + _column(mean)).clamp(0, 1)


_picture = torch.linspace(-1.2, 1.4, 27).view(3, 3, 3)
_wide = torch.linspace(1.0, -1.0, 24).view(3, 2, 4)

q5 = Function(
    hints=["What was done to each colour of the picture, and in which order? Go backwards.",
           "The colours are the first axis: view(3, 1, 1) makes three numbers lie along it.",
           "Undo the division first, then the subtraction. What may still keep a screen from "
           "showing the result?"],
    answer="""
def undo(picture, mean, std):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))
    return (picture * std + mean).clamp(0, 1)
""",
    why="Times std, plus mean, along the first axis. What is left outside [0, 1] cannot be shown.",
    reference=_undone,
    cases=[(_picture, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
           (_picture, (0.2, 0.5, 0.6), (0.1, 0.5, 0.9)),
           (_wide, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
           (3 * _wide, (0.1, 0.4, 0.7), (0.2, 0.4, 0.3))],
    mistakes=[
        ("values outside [0, 1] are left, which no screen can show: add .clamp(0, 1)",
         lambda x, m, s: x * _column(s) + _column(m)),
        ("first times std, then plus mean: you add the mean too early",
         lambda x, m, s: ((x + _column(m)) * _column(s)).clamp(0, 1)),
        ("this normalises once more; go the other way",
         lambda x, m, s: ((x - _column(m)) / _column(s)).clamp(0, 1)),
        ("the mean was taken away when normalising; add it back, do not take it away again",
         lambda x, m, s: (x * _column(s) - _column(m)).clamp(0, 1)),
        ("mean and std lie along the columns here; the colours are the first axis: view(3, 1, 1)",
         lambda x, m, s: (x * torch.tensor(s) + torch.tensor(m)).clamp(0, 1)),
        ("mean and std lie along the rows here; the colours are the first axis: view(3, 1, 1)",
         lambda x, m, s: (x * torch.tensor(s).view(1, 3, 1) + torch.tensor(m).view(1, 3, 1)
                          ).clamp(0, 1)),
        ("mean and std have changed places: std multiplies, mean is added",
         lambda x, m, s: _undone(x, s, m)),
        ("each colour has a mean and a std of its own; you used those of the first for all three",
         lambda x, m, s: _undone(x, m[:1] * 3, s[:1] * 3)),
        ("the mean is not added back", lambda x, m, s: (x * _column(s)).clamp(0, 1)),
        ("this only cuts off what is too large; undo std and mean first",
         lambda x, m, s: x.clamp(0, 1)),
        ("some values are still below 0, which no screen can show: cut at both ends",
         lambda x, m, s: (x * _column(s) + _column(m)).clamp(max=1)),
        ("some values are still above 1, which no screen can show: cut at both ends",
         lambda x, m, s: (x * _column(s) + _column(m)).clamp(min=0)),
        ("stretched to [0, 1] the colours are not those of the photo; mean and std give them back",
         lambda x, m, s: (x - x.min()) / (x.max() - x.min())),
        ("keep the shape (3, H, W); the order of the axes is for imshow to care about",
         lambda x, m, s: _undone(x, m, s).permute(1, 2, 0)),
        ("values from 0 to 255 are for whole numbers; here they go from 0 to 1",
         lambda x, m, s: 255 * _undone(x, m, s)),
    ],
)


q6 = Choice(
    hints=["With lr = 0 the optimiser moves no parameter. What else does a model hold?",
           "Which of the six leaves something behind in the model when a batch has passed?",
           "It lies in buffers, not in parameters, and model.train() switches it on."],
    answer='cause = "batch norm"',
    why="In training mode BatchNorm updates its running mean and variance, whatever the learning "
        "rate. Keep its layers in evaluation mode.",
    right="batch norm",
    replies={
        "dropout": "dropout is off in evaluation and keeps nothing from batch to batch",
        "augmentation": "it changes the training pictures; the validation pictures are the same "
                        "each time",
        "learning rate": "a learning rate of zero moves no weight, however often it is applied",
        "shuffling": "a new order of the batches moves no weight either; something must remember "
                     "the batches for it to matter",
        "overfitting": "nothing is being fitted: no parameter moves",
    },
)


def _renumbered(predicted: Sequence[int], folders: Sequence[str], names: Sequence[str]
                ) -> list[int]:
    classes = sorted(folders)
    return [names.index(classes[number]) for number in predicted]


def _places(predicted: Sequence[int], first: Sequence[str], second: Sequence[str]) -> list[int]:
    return [second.index(first[number]) for number in predicted]


q7 = Function(
    hints=["A number alone means nothing: to which name does it belong?",
           "How does ImageFolder number the classes? Make that list from the folders first.",
           "The number gives a name in the sorted list of the folders. names.index(name) gives "
           "the place of a name."],
    answer="""
def to_their_numbers(predicted, folders, names):
    classes = sorted(folders)
    numbers = []
    for number in predicted:
        numbers.append(names.index(classes[number]))
    return numbers
""",
    why="From number to name by the sorted folders, from name to number by the colleague's list. "
        "This is why the names are saved beside the weights.",
    reference=_renumbered,
    cases=[([0, 1, 2, 3, 3], ["wasp", "ant", "fly", "bee"], ["bee", "wasp", "ant", "fly"]),
           ([2, 0, 0], ["bee", "wasp", "ant"], ["wasp", "bee", "ant"]),
           ([1], ["moth", "beetle"], ["moth", "beetle"]),
           ([4, 2, 0, 1, 3, 1], ["fly", "wasp", "bee", "moth", "ant"],
            ["moth", "ant", "wasp", "bee", "fly"]),
           ([1, 0, 1, 1], ["ant", "bee"], ["bee", "ant"])],
    mistakes=[
        ("ImageFolder numbers the classes in alphabetical order, not in the order of your list: "
         "sort the folders first", _places),
        ("the predictions come back as they were; they count the sorted folders, and the colleague "
         "counts in another order", lambda p, f, n: list(p)),
        ("you sort the colleague's names instead of the folders",
         lambda p, f, n: [sorted(n).index(f[i]) for i in p]),
        ("the other way round: this turns the colleague's numbers into those of the network",
         lambda p, f, n: [sorted(f).index(n[i]) for i in p]),
        ("the other way round, and without sorting: the numbers of the network count the sorted "
         "folders", lambda p, f, n: [f.index(n[i]) for i in p]),
        ("this gives places in the list of folders; the colleague counts in names",
         lambda p, f, n: [f.index(sorted(f)[i]) for i in p]),
        ("you sort from z to a; ImageFolder sorts from a to z",
         lambda p, f, n: [n.index(sorted(f, reverse=True)[i]) for i in p]),
        ("one number for each class; return one for each prediction",
         lambda p, f, n: [n.index(name) for name in sorted(f)]),
        ("the predictions must keep their order", lambda p, f, n: sorted(_renumbered(p, f, n))),
        ("the colleague's numbers begin with 0",
         lambda p, f, n: [1 + i for i in _renumbered(p, f, n)]),
    ],
)

_AT_HALF = 0.25 * (0.5 + 2 * 0.5 * math.log(2))  # of focal loss with gamma 2, without alpha

q8 = Number(
    hints=["With which slope does cross entropy answer p_t = 0.5? Its size is 1 - p_t.",
           "The slope of focal loss has two terms: (1 - p)^gamma (1 - p - gamma p ln p).",
           "At p = 0.5 with gamma = 2: 0.25 * (0.5 + 0.693). Divide by the slope of cross entropy, "
           "and do not forget post A's factor."],
    answer="ratio = 0.25 * 0.25 * (0.5 + 0.6931) / 0.5   # ln 2 is 0.6931",
    why="0.15: at the start post A takes steps seven times shorter than cross entropy with the "
        "same rate. Compare losses only after each has got a rate of its own.",
    value=0.25 * _AT_HALF / 0.5,
    within=0.015,
    mistakes={
        _AT_HALF / 0.5: "that is focal loss without post A's factor of 0.25",
        0.25 * 0.25: "the factor (1 - p)^gamma depends on p too; its slope is a second term",
        0.25: "that is only one of the two factors of 0.25, and the product rule adds a term",
        _AT_HALF: "that is the slope of focal loss, neither times 0.25 nor divided by that of "
                  "cross entropy",
        0.25 * _AT_HALF: "that is the slope of post A's loss; divide by that of cross entropy, 0.5",
        0.5 / (0.25 * _AT_HALF): "turned round: post A's slope goes above the line",
        0.5 / _AT_HALF: "turned round, and without the 0.25",
        0.25 * 0.25 * (0.5 - math.log(2)) / 0.5: "a sign: ln 0.5 is negative, so the second term "
                                                 "adds to the first",
        0.25 * 0.25 * (0.5 + 0.5 * math.log(2)) / 0.5: "gamma is 2; the second term has it as a "
                                                       "factor",
        0.25 * 0.25 * (0.5 + math.log10(2)) / 0.5: "that is with log10; logarithms are natural "
                                                   "here",
        0.25**2 * 0.5: "the factor (1 - p)^gamma has a slope of its own, and the ratio is to 0.5",
    },
)


def _gained(a: Tensor, b: Tensor) -> Tensor:
    return b.gather(1, a.argmax(dim=1, keepdim=True)).mean() - b.mean()


_on_a, _on_b = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(0))

q9 = Function(
    hints=["In each split, which candidate is chosen, and by which table?",
           "Its true worth stands in b. With what is it to be compared, and in which table?",
           "A loop over the rows will do: argmax of a row of a gives the candidate; take its value "
           "in b, and subtract the mean of that row of b."],
    answer="""
def gain_of_choosing(a, b):
    gains = []
    for mine, fresh in zip(a, b, strict=True):
        gains.append(fresh[mine.argmax()] - fresh.mean())
    return torch.stack(gains).mean()
""",
    why="Choose by a, judge by b alone. Where all candidates are equally good, this gain is zero, "
        "and the best score in a is too high all the same.",
    reference=_gained,
    cases=[(_on_a, _on_b), (_on_b, _on_a), (_on_a[:1], _on_b[:1]), (_on_a, _on_a),
           (_on_a[:4, :3], _on_b[:4, :3]), (_on_b[1:4], _on_a[1:4])],
    mistakes=[
        ("this is how much too high the reported score is, a minus b; the question asks for the "
         "gain on fresh photos, in b alone",
         lambda a, b: (a - b).gather(1, a.argmax(1, keepdim=True)).mean()),
        ("the choice may see a only; you took the best of b",
         lambda a, b: b.amax(1).mean() - b.mean()),
        ("this is the gain on the photos that chose; b is missing",
         lambda a, b: a.amax(1).mean() - a.mean()),
        ("the chosen one must be judged by b as well, not by a",
         lambda a, b: a.amax(1).mean() - b.mean()),
        ("the average candidate must be judged on the fresh photos too, in b",
         lambda a, b: b.gather(1, a.argmax(1, keepdim=True)).mean() - a.mean()),
        ("you choose by b and judge by a; it is the other way round",
         lambda a, b: _gained(b, a)),
        ("the sign: the chosen one minus the average", lambda a, b: -_gained(a, b)),
        ("one candidate for all splits; each split chooses its own",
         lambda a, b: b[:, a.mean(0).argmax()].mean() - b.mean()),
        ("you choose the best split of each candidate; choose the best candidate of each split",
         lambda a, b: _gained(a.T, b.T)),
        ("this is the accuracy of the chosen ones; compare it with that of the average candidate",
         lambda a, b: b.gather(1, a.argmax(1, keepdim=True)).mean()),
        ("the best of all splits together; each split has a best of its own",
         lambda a, b: b.flatten()[a.argmax()] - b.mean()),
        ("one number, the mean over the splits",
         lambda a, b: b.gather(1, a.argmax(1, keepdim=True))[:, 0] - b.mean(1)),
    ],
)
