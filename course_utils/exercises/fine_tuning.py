"""Exercises of notebook 06."""

from collections.abc import Sequence

import torch
from torch import Tensor

from . import Choice, Function, Number

q1 = Number(
    hints=["A linear layer has a weight for every pair of a feature and a class, and more.",
           "How many features does the network hand to its head?",
           "Count for one class first: a weight for each feature, and its bias."],
    answer="numbers = (1280 + 1) * 2",
    why="2562 numbers: a head for two classes is trained in no time. The old one had 1,281,000.",
    value=2562,
    within=1e-6,
    mistakes={
        2560: "these are the weights; each class also has a bias",
        1281: "that is one class; there are two",
        1280: "these are the features that one class looks at; count both classes and the biases",
        1_281_000: "that is the old head, of 1000 classes",
        2561: "each class has a bias of its own",
        1282: "every class has a weight for every feature: multiply, and then add the biases",
        1_280_000: "that is the old head, of 1000 classes, and without its biases",
        2: "that is how many numbers come out; how many are trained?",
    },
)


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)


def _undone(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    return (x * _column(std) + _column(mean)).clamp(0, 1)


_picture = torch.linspace(-1.2, 1.4, 27).view(3, 3, 3)
_wide = torch.linspace(1.0, -1.0, 24).view(3, 2, 4)

q2 = Function(
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


def _rates(n: int, lr: float, decay: float) -> list[float]:
    return [lr * decay ** (n - 1 - i) for i in range(n)]


q3 = Function(
    hints=["Begin at the end: the last block gets lr. What does the one before it get?",
           "A block's rate depends on how many blocks lie between it and the end.",
           "With i counted from 0, block i of n has n - 1 - i blocks after it, each of which costs "
           "one decay."],
    answer="""
def learning_rates(n_blocks, lr, decay):
    return [lr * decay ** (n_blocks - 1 - i) for i in range(n_blocks)]
""",
    why="Early layers see edges and colours, which any picture has: they need to move least.",
    reference=_rates,
    cases=[(4, 1e-3, 0.5), (3, 1.0, 0.1), (1, 0.02, 0.9), (3, 0.5, 1.0)],
    absolute=1e-12,
    mistakes=[
        ("the other way round: your first block moves fastest and the last one slowest",
         lambda n, lr, d: _rates(n, lr, d)[::-1]),
        ("your last block gets lr * decay; it should get the full lr",
         lambda n, lr, d: [r * d for r in _rates(n, lr, d)]),
        ("a fixed amount is taken from block to block; multiply by decay instead",
         lambda n, lr, d: [lr * (1 - (1 - d) * (n - 1 - i)) for i in range(n)]),
        ("every block but the last gets the same; decay once more for each block before it",
         lambda n, lr, d: [lr * d] * (n - 1) + [lr]),
        ("this grows towards the first block: you divide by decay where you should multiply",
         lambda n, lr, d: [lr / d ** (n - 1 - i) for i in range(n)]),
        ("one rate for each block: you return one too many",
         lambda n, lr, d: [lr * d ** (n - i) for i in range(n + 1)]),
        ("decay is not used: every block gets lr", lambda n, lr, d: [lr] * n),
        ("decay once more for each block, not once per block and position: multiply the rate "
         "before by decay", lambda n, lr, d: [lr * d * (n - 1 - i) for i in range(n)]),
    ],
)

q4 = Choice(
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

q5 = Number(
    hints=["A photo is right or wrong, 1 or 0: how much does one of them scatter?",
           "One photo has the variance p (1 - p). The mean of n of them has an n-th of that.",
           "The standard error is a standard deviation; what you have now is a variance."],
    answer="standard_error = (0.95 * 0.05 / 153) ** 0.5",
    why="1.8 percentage points, nearly three photos: so far one measurement strays. Two models "
        "judged by the same photos share much of that luck; compare them in pairs (section 7).",
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

q6 = Number(
    hints=["By how much does plain SGD move a weight in one step?",
           "What happens to the gradient when the loss is multiplied by 0.25?",
           "Without the 0.25 the gradients are four times as large. What must lr do, so that each "
           "step stays the same?"],
    answer="lr = 0.25 * 0.001",
    why="In plain SGD, momentum included, alpha and lr meet only as a product, here 0.00025: post "
        "A trained with a quarter of the learning rate it names. Weight decay or gradient clipping "
        "breaks this.",
    value=0.00025,
    mistakes={
        0.004: "the other way: alpha made the steps smaller, and without it lr must do so",
        0.001: "then the steps would be four times those of post A (with Adam you would be "
               "nearly right: it divides the size of the gradient out)",
        0.25: "that is alpha; multiply it with the learning rate",
        0.00075: "alpha multiplies by 0.25; you took a quarter away",
        0.0000625: "that is 0.25 twice; it has to be made up for once",
        0.00125: "dropping the 0.25 makes the steps longer, so lr must shrink",
        0.0025: "a slip in the decimal point, by ten",
        0.0005: "that is a half, the square root of alpha; the gradient is not squared here",
    },
)


def _chosen(a: Tensor, b: Tensor) -> Tensor:
    best = a.argmax(dim=1, keepdim=True)
    return (a.gather(1, best) - b.gather(1, best)).mean()


_on_a, _on_b = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(0))

q7 = Function(
    hints=["In each split, which candidate is reported, and by which table is it chosen?",
           "Its reported accuracy stands in a. What is it worth on fresh photos?",
           "argmax along the candidates gives one column for each split. Read both tables there "
           "(gather, or a loop over the rows), and compare."],
    answer="""
def optimism(a, b):
    best = a.argmax(dim=1, keepdim=True)
    return (a.gather(1, best) - b.gather(1, best)).mean()
""",
    why="Choose by a, read a and b: the difference is what the choosing added.",
    reference=_chosen,
    cases=[(_on_a, _on_b), (_on_b, _on_a), (_on_a[:1], _on_b[:1]), (_on_a, _on_a),
           (_on_a[:4, :3], _on_b[:4, :3]), (_on_b[1:4], _on_a[1:4])],
    mistakes=[
        ("the candidate may be chosen by a only; you chose the best of b as well",
         lambda a, b: a.amax(1).mean() - b.amax(1).mean()),
        ("compare the chosen candidate with itself on b, not with the mean of all candidates",
         lambda a, b: a.amax(1).mean() - b.mean()),
        ("the sign: how much *higher* a is than b",
         lambda a, b: -_chosen(a, b)),
        ("one candidate for all splits; each split chooses its own",
         lambda a, b: (a - b)[:, a.mean(0).argmax()].mean()),
        ("this takes the largest difference; choose the largest a, then look at the difference",
         lambda a, b: (a - b).amax(1).mean()),
        ("you choose the best split of each candidate; choose the best candidate of each split",
         lambda a, b: _chosen(a.T, b.T)),
        ("you choose by b and read it in a: the choice is made on a, and b is fresh",
         lambda a, b: _chosen(b, a)),
        ("you choose by b; the choice is made on a", lambda a, b: -_chosen(b, a)),
        ("the best of all splits together; each split has a best of its own",
         lambda a, b: (a - b).flatten()[a.argmax()]),
        ("this is how far the best lies above the mean of all on the *same* photos; b is missing",
         lambda a, b: a.amax(1).mean() - a.mean()),
        ("this is the accuracy that is reported; how much too high is it?",
         lambda a, b: a.amax(1).mean()),
        ("this is what the chosen ones are worth on fresh photos; how much more was reported?",
         lambda a, b: b.gather(1, a.argmax(1, keepdim=True)).mean()),
        ("this compares all candidates; only the chosen one is reported",
         lambda a, b: (a - b).mean()),
        ("one number, the mean over the splits",
         lambda a, b: (a - b).gather(1, a.argmax(1, keepdim=True))[:, 0]),
    ],
)
