"""Exercises of notebook 06."""

from collections.abc import Sequence

import torch
from torch import Tensor

from . import Choice, Function, Number

q1 = Number(
    hints=["A linear layer has a weight for every pair of a feature and a class.",
           "And one bias a class: (1280 + 1) times 2."],
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
    },
)


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)


_picture = torch.linspace(-1.2, 1.4, 27).view(3, 3, 3)
_wide = torch.linspace(1.0, -1.0, 24).view(3, 2, 4)

q2 = Function(
    hints=["Normalised was (x - mean) / std, for each colour by itself; go backwards.",
           "torch.tensor(std).view(3, 1, 1) lies along the colours, the first axis."],
    answer="""
def undo(picture, mean, std):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))
    return (picture * std + mean).clamp(0, 1)
""",
    why="Times std, plus mean, along the first axis. What is left outside [0, 1] cannot be shown.",
    reference=lambda x, m, s: (x * _column(s) + _column(m)).clamp(0, 1).detach(),
    cases=[(_picture, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
           (_picture, (0.2, 0.5, 0.6), (0.1, 0.5, 0.9)),
           (_wide, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))],
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
    ],
)


def _rates(n: int, lr: float, decay: float) -> list[float]:
    return [lr * decay ** (n - 1 - i) for i in range(n)]


q3 = Function(
    hints=["The last block gets lr, the one before it lr * decay, and so on.",
           "Block i of n is n - 1 - i blocks away from the last one."],
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
    ],
)

q4 = Choice(
    hints=["With lr = 0 the optimiser moves no parameter. What else does a model hold?",
           "Something that model.train() switches on, and that lies in buffers, not parameters."],
    answer='cause = "batch norm"',
    why="In training mode BatchNorm updates its running mean and variance, whatever the learning "
        "rate. Keep its layers in evaluation mode.",
    right="batch norm",
    replies={
        "dropout": "dropout is off in evaluation and keeps nothing from batch to batch",
        "augmentation": "it changes the training pictures; the validation pictures are the same "
                        "each time",
        "learning rate": "a learning rate of zero moves no weight, however often it is applied",
        "shuffling": "the order of the batches decides which ones are counted last; but what "
                     "counts them?",
        "overfitting": "nothing is being fitted: no parameter moves",
    },
)

q5 = Number(
    hints=["The spread of a share p of n is the square root of p (1 - p) / n.",
           "p = 0.95 and n = 153."],
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
    },
)

q6 = Number(
    hints=["Plain SGD moves a weight by lr times the gradient of the loss.",
           "The gradient of 0.25 times a loss is 0.25 times its gradient."],
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
        0.0005: "that is a half, the square root of alpha; the gradient is not squared here",
    },
)


def _chosen(a: Tensor, b: Tensor) -> Tensor:
    best = a.argmax(dim=1, keepdim=True)
    return (a.gather(1, best) - b.gather(1, best)).mean().detach()


_draw = torch.Generator().manual_seed(0)
_on_a, _on_b = torch.rand(2, 6, 5, generator=_draw)

q7 = Function(
    hints=["In each row choose the column by a alone; then read both tables in that column.",
           "best = a.argmax(dim=1, keepdim=True), then a.gather(1, best)."],
    answer="""
def optimism(a, b):
    best = a.argmax(dim=1, keepdim=True)
    return (a.gather(1, best) - b.gather(1, best)).mean()
""",
    why="Choose by a, read a and b: the difference is what the choosing added.",
    reference=_chosen,
    cases=[(_on_a, _on_b), (_on_b, _on_a), (_on_a[:1], _on_b[:1]), (_on_a, _on_a)],
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
    ],
)
