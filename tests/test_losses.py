"""The losses equal their oracles, are exact and finite, and clear about bad input."""

import math
import warnings
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from sklearn.metrics import f1_score, fbeta_score
from torch.autograd import gradcheck, gradgradcheck
from torchvision.ops import sigmoid_focal_loss as torchvision_focal_loss

from course_utils.losses import (
    FocalLoss,
    LabelSmoothingLoss,
    SigmoidFocalLoss,
    SoftF1Loss,
    focal_loss,
    label_smoothing_cross_entropy,
    sigmoid_focal_loss,
    soft_f1_loss,
)

GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def batch(seed, n=6, classes=4, extra=(), scale=3.0, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, classes, *extra, generator=rng, dtype=torch.float64)
    return logits.to(dtype), torch.randint(classes, (n, *extra), generator=rng)


def value_and_gradient(loss_fn, logits):
    logits = logits.detach().requires_grad_()
    loss = loss_fn(logits)
    loss.sum().backward()
    return loss.detach(), logits.grad


# ------------------------------------------------------------------------------- equal to oracles

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 6), st.integers(2, 5), st.sampled_from([(), (3,), (2, 2)]))


@given(seeds, shapes, st.sampled_from(["mean", "sum", "none"]), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_gamma_zero_is_cross_entropy(seed, shape, reduction, weighted, some_ignored):
    n, classes, extra = shape
    logits, target = batch(seed, n, classes, extra, scale=10)
    weight = torch.linspace(0.1, 2, classes, dtype=torch.float64) if weighted else None
    if some_ignored:
        target.view(-1)[1:3] = -1  # never all of them: torch answers nan there
    args = dict(weight=weight, ignore_index=-1, reduction=reduction)
    ours = value_and_gradient(lambda x: focal_loss(x, target, gamma=0, **args), logits)
    if (target == -1).all():
        assert ours[0].sum() == 0
        assert not ours[1].any()
        return
    torchs = value_and_gradient(lambda x: F.cross_entropy(x, target, **args), logits)
    torch.testing.assert_close(ours, torchs, rtol=1e-12, atol=1e-14)


@given(seeds, shapes, st.floats(0, 1), st.sampled_from(["mean", "sum", "none"]), st.booleans())
@settings(max_examples=60)
def test_smoothing_over_all_classes_is_torch(seed, shape, smoothing, reduction, weighted):
    n, classes, extra = shape
    logits, target = batch(seed, n, classes, extra, scale=10)
    target.view(-1)[1:2] = -100
    weight = torch.linspace(0.1, 2, classes, dtype=torch.float64) if weighted else None
    args = dict(weight=weight, reduction=reduction)
    ours = value_and_gradient(
        lambda x: label_smoothing_cross_entropy(x, target, smoothing=smoothing, **args), logits)
    torchs = value_and_gradient(
        lambda x: F.cross_entropy(x, target, label_smoothing=smoothing, **args), logits)
    torch.testing.assert_close(ours, torchs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.9])
def test_smoothing_over_the_others_is_cross_entropy_with_that_soft_target(smoothing):
    logits, target = batch(0, n=8, classes=5)
    soft = torch.full_like(logits, smoothing / 4).scatter(1, target[:, None], 1 - smoothing)
    ours = value_and_gradient(lambda x: label_smoothing_cross_entropy(
        x, target, smoothing=smoothing, spread="others"), logits)
    torch.testing.assert_close(ours, value_and_gradient(lambda x: F.cross_entropy(x, soft), logits))


@given(seeds, st.sampled_from(GAMMAS), st.one_of(st.none(), st.floats(0, 1)))
@settings(max_examples=60)
def test_sigmoid_focal_loss_is_torchvisions(seed, gamma, alpha):
    logits, _ = batch(seed, n=20, classes=3)
    target = (torch.rand(20, 3, generator=torch.Generator().manual_seed(seed)) < 0.3).double()
    ours = value_and_gradient(lambda x: sigmoid_focal_loss(
        x, target, gamma=gamma, alpha=alpha, reduction="none"), logits)
    theirs = value_and_gradient(lambda x: torchvision_focal_loss(
        x, target, gamma=gamma, alpha=-1 if alpha is None else alpha), logits)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-12)


def test_sigmoid_focal_loss_at_gamma_zero_is_bce():
    logits = torch.linspace(-30, 30, 61, dtype=torch.float64)
    target = (torch.arange(61) % 2).double()
    ours = value_and_gradient(lambda x: sigmoid_focal_loss(x, target, gamma=0), logits)
    bce = value_and_gradient(lambda x: F.binary_cross_entropy_with_logits(x, target), logits)
    torch.testing.assert_close(ours, bce, rtol=1e-12, atol=1e-15)


def test_multiclass_focal_loss_is_binary_focal_loss_of_the_margin():
    logits, target = batch(1, n=10, classes=5)
    index = target[:, None]
    margin = logits.scatter(1, index, -torch.inf).logsumexp(1) - logits.gather(1, index)[:, 0]
    torch.testing.assert_close(focal_loss(logits, target, gamma=3.0),
                               sigmoid_focal_loss(-margin, torch.ones(10), gamma=3.0))


@given(seeds, st.integers(1, 30), st.integers(2, 5), st.floats(0.1, 4))
@settings(max_examples=60)
def test_soft_f1_of_certain_predictions_is_scikit_learns(seed, n, classes, beta):
    rng = np.random.default_rng(seed)
    true, predicted = rng.integers(classes, size=(2, n))
    logits = torch.full((n, classes), -200.0, dtype=torch.float64)
    logits[torch.arange(n), torch.as_tensor(predicted)] = 200.0
    for average in ["macro", "micro"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = fbeta_score(true, predicted, beta=beta, average=average,
                                 labels=np.unique(true) if average == "macro" else None)
        ours = 1 - soft_f1_loss(logits, torch.as_tensor(true), average=average, beta=beta)
        assert ours.item() == pytest.approx(wanted, abs=1e-12)


@given(seeds, st.integers(1, 30))
@settings(max_examples=60)
def test_binary_soft_f1_of_certain_predictions_is_scikit_learns(seed, n):
    rng = np.random.default_rng(seed)
    true, predicted = rng.integers(2, size=(2, n))
    logits = torch.as_tensor(400.0 * predicted - 200.0)
    wanted = f1_score(true, predicted, zero_division=0)
    target = torch.as_tensor(true)
    two_classes = torch.stack([-logits, logits], dim=1)
    for loss in (soft_f1_loss(logits, target), soft_f1_loss(logits, target, average="binary"),
                 soft_f1_loss(logits[:, None], target[:, None]),
                 soft_f1_loss(two_classes, target, average="binary")):
        assert 1 - loss.item() == pytest.approx(wanted, abs=1e-12)


def test_multilabel_soft_f1_of_certain_predictions_is_scikit_learns():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(2, size=(2, 40, 3))
    logits = torch.as_tensor(400.0 * predicted - 200.0)
    for average in ["macro", "micro"]:
        loss = soft_f1_loss(logits, torch.as_tensor(true), average=average)
        assert 1 - loss.item() == pytest.approx(f1_score(true, predicted, average=average))


def test_soft_f1_pools_all_positions_of_a_picture():
    logits, target = batch(3, n=2, classes=3, extra=(4, 5))
    flat = logits.movedim(1, -1).reshape(-1, 3)
    torch.testing.assert_close(soft_f1_loss(logits, target), soft_f1_loss(flat, target.reshape(-1)))


def test_published_ratios_of_focal_loss_to_cross_entropy():
    logits = torch.logit(torch.tensor([0.9, 0.968], dtype=torch.float64))
    ratio = (sigmoid_focal_loss(logits, torch.ones(2), gamma=0, reduction="none")
             / sigmoid_focal_loss(logits, torch.ones(2), gamma=2, reduction="none"))
    assert ratio.tolist() == pytest.approx([100, 1 / 0.032**2])  # "100x", "about 1000x": 977


@pytest.mark.parametrize(("module", "function", "args"), [
    (FocalLoss, focal_loss, dict(gamma=1.5, weight=torch.tensor([1.0, 2, 3, 4]), ignore_index=2)),
    (LabelSmoothingLoss, label_smoothing_cross_entropy, dict(smoothing=0.2, spread="others",
                                                             reduction="sum")),
    (SoftF1Loss, soft_f1_loss, dict(average="micro", beta=2.0)),
    (SigmoidFocalLoss, sigmoid_focal_loss, dict(gamma=1.0, alpha=0.3, reduction="none")),
])
def test_modules_pass_their_arguments_on(module, function, args):
    logits, target = batch(4, dtype=torch.float32)
    if module is SigmoidFocalLoss:
        target = F.one_hot(target, 4)
    torch.testing.assert_close(module(**args)(logits, target), function(logits, target, **args))
    assert all(str(v) in repr(module(**args)) for k, v in args.items() if k != "weight")


# ------------------------------------------------------------------- exact, also for easy samples
# The reference subtracts nothing from 1, and its gradient is a central difference, so that no
# formula of ours is used. 160 digits: of a term that is e^-200 of the sum, moved by 1e-20, some
# fifty are left.

mp.dps = 160


def odds_against(x, y):
    return sum(mp.e ** (v - x[y]) for j, v in enumerate(x) if j != y)


def exact_focal(x, y, gamma):
    odds = odds_against(x, y)
    return (odds / (1 + odds)) ** mpf(gamma) * mp.log1p(odds)


def exact_smoothing(x, y, smoothing):
    k = len(x)
    every = sum(mp.log1p(odds_against(x, j)) for j in range(k))
    return (1 - mpf(smoothing)) * mp.log1p(odds_against(x, y)) + mpf(smoothing) / k * every


def exact_derivative(f, x, j):
    h = mpf(10) ** -20
    up, down = list(x), list(x)
    up[j], down[j] = x[j] + h, x[j] - h
    return (f(up) - f(down)) / (2 * h)


def error(computed, exact, dtype, scale=None):
    """Relative error, forgiving only what falls below the smallest normal number of ``dtype``."""
    miss = max(abs(mpf(computed) - exact) - mpf(torch.finfo(dtype).tiny), mpf(0))
    return float(miss / (abs(exact) if scale is None else scale)) if miss else 0.0


def hard_and_easy(classes, dtype, rng):
    """Samples of every difficulty, |logit| <= 100, the margin evenly from -200 to 200."""
    x = 200 * torch.rand(24, classes, generator=rng, dtype=torch.float64) - 100
    x[:8, 0], x[:8, 1:] = 100 - x[:8, 0].abs() / 9, x[:8, 1:].abs() / 2 - 100
    x[8:12, 0] = x[8:12].amax(1)
    return x.to(dtype), 0


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_focal_loss_and_gradient_are_exact(dtype, allowed, classes, gamma):
    x, y = hard_and_easy(classes, dtype, torch.Generator().manual_seed(classes))
    target = torch.full((len(x),), y)
    loss, grad = value_and_gradient(
        lambda x: focal_loss(x, target, gamma=gamma, reduction="none"), x)
    for row in range(len(x)):
        exact_x = [mpf(v) for v in x[row].tolist()]
        assert error(loss[row].item(), exact_focal(exact_x, y, gamma), dtype) <= allowed
        for j in range(classes):
            exact = exact_derivative(lambda v: exact_focal(v, y, gamma), exact_x, j)
            assert error(grad[row, j].item(), exact, dtype) <= allowed


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("alpha", [None, 0.25, 1e-3])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_sigmoid_focal_loss_and_gradient_are_exact(dtype, allowed, alpha, gamma):
    x = torch.linspace(-100, 100, 41, dtype=dtype)
    for positive in [0, 1]:
        share = 1 if alpha is None else mpf(alpha) if positive else 1 - mpf(alpha)
        loss, grad = value_and_gradient(lambda x, t=positive: sigmoid_focal_loss(
            x, torch.full_like(x, t), gamma=gamma, alpha=alpha, reduction="none"), x)
        for i, v in enumerate(x.tolist()):
            def exact(z, share=share, positive=positive):
                return share * exact_focal([0, z[0]], positive, gamma)
            assert error(loss[i].item(), exact([mpf(v)]), dtype) <= allowed
            assert error(grad[i].item(), exact_derivative(exact, [mpf(v)], 0), dtype) <= allowed


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_label_smoothing_is_exact(dtype, allowed, smoothing):
    """The gradient p - q is a difference of numbers up to 1, so its error is told against 1."""
    x, y = hard_and_easy(4, dtype, torch.Generator().manual_seed(0))
    loss, grad = value_and_gradient(lambda x: label_smoothing_cross_entropy(
        x, torch.full((len(x),), y), smoothing=smoothing, reduction="none"), x)
    for row in range(len(x)):
        exact_x = [mpf(v) for v in x[row].tolist()]
        assert error(loss[row].item(), exact_smoothing(exact_x, y, smoothing), dtype) <= allowed
        for j in range(4):
            exact = exact_derivative(lambda v: exact_smoothing(v, y, smoothing), exact_x, j)
            assert error(grad[row, j].item(), exact, dtype,
                         scale=None if smoothing == 0 else 1) <= allowed


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("easy", [True, False])
def test_soft_f1_is_exact(dtype, allowed, easy):
    """The gradient is told against its largest entry: others may be differences of such."""
    rng = torch.Generator().manual_seed(0)
    x = 20 * torch.randn(7, 3, generator=rng, dtype=torch.float64)
    y = [0, 0, 1, 1, 1, 2, 2]
    if easy:
        x += 60 * F.one_hot(torch.tensor(y), 3)
    x = x.clamp(-100, 100).to(dtype)

    def exact(flat):
        rows = [flat[3 * i:3 * i + 3] for i in range(7)]
        fn, fp = [mpf(0)] * 3, [mpf(0)] * 3
        for row, t in zip(rows, y, strict=True):
            whole = sum(mp.e**v for v in row)
            others = [mp.e**v / whole if j != t else mpf(0) for j, v in enumerate(row)]
            fn[t] += sum(others)
            fp = [a + b for a, b in zip(fp, others, strict=True)]
        return sum((a + b) / (2 * y.count(c) - a + b)
                   for c, (a, b) in enumerate(zip(fn, fp, strict=True))) / 3

    loss, grad = value_and_gradient(lambda x: soft_f1_loss(x, torch.tensor(y)), x)
    flat = [mpf(v) for v in x.flatten().tolist()]
    assert error(loss.item(), exact(flat), dtype) <= allowed
    gradient = [exact_derivative(exact, flat, j) for j in range(21)]
    largest = max(abs(g) for g in gradient)
    for ours, g in zip(grad.flatten().tolist(), gradient, strict=True):
        assert error(ours, g, dtype, scale=largest) <= allowed


def test_binary_soft_f1_is_exact_for_easy_samples():
    logits = torch.tensor([30.0, 40.0, -35.0])
    exact = sum(1 / (1 + mp.e ** mpf(v)) for v in (30, 40, 35))  # fn + fp, beside 2 tp = 4
    assert error(soft_f1_loss(logits, torch.tensor([1, 1, 0])).item(), exact / 4,
                 torch.float32) <= 1e-5


def test_the_usual_form_loses_every_digit_where_ours_keeps_them():
    """Why the margin is used: in float32, exp(-ce) rounds to 1 beyond a margin of about 17."""
    logits, target = torch.tensor([[20.0, 0.0]]), torch.tensor([0])
    cross_entropy = F.cross_entropy(logits, target)
    usual = (1 - torch.exp(-cross_entropy)) ** 2 * cross_entropy
    assert usual == 0
    assert focal_loss(logits, target).item() == pytest.approx(math.exp(-60), rel=1e-5)


# ------------------------------------------------------------------------------- finite everywhere

def four_losses(gamma):
    yield "focal", False, lambda x, t: focal_loss(x, t, gamma=gamma)
    yield "sigmoid focal", True, lambda x, t: sigmoid_focal_loss(x, t, gamma=gamma, alpha=0.25)
    for spread in ("all", "others"):
        yield spread, False, lambda x, t, s=spread: label_smoothing_cross_entropy(x, t, spread=s)
    for average in ("macro", "micro"):
        yield average, False, lambda x, t, a=average: soft_f1_loss(x, t, average=a)
        yield average, True, lambda x, t, a=average: soft_f1_loss(x, t, average=a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("magnitude", [0.0, 10.0, 100.0, 1e4])
@pytest.mark.parametrize("kind", ["easy", "wrong", "mixed"])
def test_loss_and_gradient_are_finite(dtype, gamma, magnitude, kind):
    target = torch.arange(6) % 3
    right = F.one_hot(target, 3).double() * 2 - 1
    sign = {"easy": 1, "wrong": -1, "mixed": torch.tensor([1, -1, 0.5, 0, 1, -1])[:, None]}[kind]
    logits = (magnitude * sign * right).to(dtype)
    for name, multilabel, loss_fn in four_losses(gamma):
        loss, grad = value_and_gradient(
            lambda x, f=loss_fn, m=multilabel: f(x, F.one_hot(target, 3) if m else target), logits)
        assert loss.isfinite(), name
        assert grad.isfinite().all(), name
        assert grad.dtype == dtype
        assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_largest_numbers_there_are_do_no_harm(dtype, gamma):
    largest = torch.finfo(dtype).max
    for x in ([largest, -largest, 0], [-largest, largest, 0], [largest, largest, largest]):
        loss, grad = value_and_gradient(
            lambda x: focal_loss(x, torch.tensor([0]), gamma=gamma), torch.tensor([x], dtype=dtype))
        assert loss.isfinite()
        assert grad.isfinite().all()


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 5.0])
def test_second_derivatives_are_finite_where_p_t_rounds_to_one(gamma):
    for x in (torch.tensor([[90.0, 0.0]]), torch.tensor([[1e4, 0.0]]), torch.tensor([[0.0, 1e4]])):
        hessian = torch.autograd.functional.hessian(
            lambda x: focal_loss(x, torch.tensor([0]), gamma=gamma), x)
        assert hessian.isfinite().all()


def test_half_precision_is_computed_in_float32():
    logits, target = batch(5, n=50, classes=3, dtype=torch.float16)
    for name, multilabel, loss_fn in four_losses(2.0):
        t = F.one_hot(target, 3) if multilabel else target
        assert torch.equal(loss_fn(logits, t), loss_fn(logits.float(), t)), name


# --------------------------------------------------------------- batches that hold next to nothing

@pytest.mark.parametrize("loss_fn", [focal_loss, label_smoothing_cross_entropy])
def test_ignored_rows_may_hold_anything(loss_fn):
    logits, target = batch(6, n=5, dtype=torch.float32)
    target[2], target[3] = -100, -100
    spoilt = logits.clone()
    spoilt[2], spoilt[3, 1] = torch.nan, torch.inf
    clean = value_and_gradient(lambda x: loss_fn(x, target), logits)
    torch.testing.assert_close(value_and_gradient(lambda x: loss_fn(x, target), spoilt), clean)
    assert not clean[1][2:4].any()


@pytest.mark.parametrize("loss_fn", [focal_loss, label_smoothing_cross_entropy])
@pytest.mark.parametrize("target", [torch.full((3,), -100), torch.empty(0, dtype=torch.long)])
def test_nothing_to_learn_gives_zero_and_a_zero_gradient(loss_fn, target):
    for weight in (None, torch.tensor([1.0, 2.0])):
        loss, grad = value_and_gradient(
            lambda x, w=weight: loss_fn(x, target, weight=w), torch.randn(len(target), 2))
        assert loss == 0
        assert not grad.any()


def test_empty_binary_batch_gives_zero():
    loss, grad = value_and_gradient(
        lambda x: sigmoid_focal_loss(x, torch.empty(0)), torch.empty(0))
    assert loss == 0
    assert grad.shape == (0,)


@pytest.mark.parametrize("logits", [torch.randn(5), torch.randn(5, 2), torch.empty(0)])
def test_a_batch_without_positives_teaches_soft_f1_nothing(logits):
    loss, grad = value_and_gradient(lambda x: soft_f1_loss(x, torch.zeros_like(x)), logits)
    assert loss == 1
    assert not grad.any()


def test_float64_weights_leave_a_float32_loss_float32():
    weight = torch.tensor([1.0, 2.0], dtype=torch.float64)
    for loss_fn in (focal_loss, label_smoothing_cross_entropy):
        loss = loss_fn(torch.randn(3, 2), torch.tensor([0, 1, 1]), weight=weight)
        assert loss.dtype == torch.float32


def test_weights_move_and_are_saved_with_the_module():
    loss_fn = FocalLoss(weight=torch.tensor([1.0, 2.0]))
    assert list(loss_fn.state_dict()) == ["weight"]
    assert loss_fn.double().weight.dtype == torch.float64


@pytest.mark.parametrize("beta", [1e-30, 1e20, 1e200])
def test_soft_f1_with_extreme_beta_is_recall_or_precision(beta):
    logits, target = torch.tensor([2.0, -1.0, 0.5, -3.0]), torch.tensor([1, 1, 0, 0])
    p, y = logits.sigmoid(), target.float()
    score = (p * y).sum() / (y.sum() if beta > 1 else p.sum())
    assert 1 - soft_f1_loss(logits, target, beta=beta) == pytest.approx(score.item(), rel=1e-5)


@pytest.mark.filterwarnings("ignore")  # torch's own, of its compiler
@pytest.mark.parametrize("loss_fn", [
    focal_loss, label_smoothing_cross_entropy, soft_f1_loss,
    lambda x, t: sigmoid_focal_loss(x, F.one_hot(t, 4), alpha=0.25)])
def test_losses_compile_as_a_whole(loss_fn):
    logits, target = batch(11, dtype=torch.float32)
    compiled = torch.compile(loss_fn, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(logits, target), loss_fn(logits, target))


# ------------------------------------------------------------------------------------- derivatives

def differentiable_losses():
    target = torch.tensor([0, 2, 1, -100])
    weight = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    multilabel = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1]])
    for gamma in [*GAMMAS, 0.3, 1.7]:
        yield lambda x, g=gamma: focal_loss(x, target, gamma=g, weight=weight)
        yield lambda x, g=gamma: sigmoid_focal_loss(x, multilabel, gamma=g, alpha=0.3)
    yield lambda x: label_smoothing_cross_entropy(x, target, weight=weight, spread="others")
    yield lambda x: soft_f1_loss(x, multilabel, beta=2.0)
    yield lambda x: soft_f1_loss(x, target.clamp(min=0), average="micro")
    yield lambda x: soft_f1_loss(x, target.clamp(min=0))


@pytest.mark.parametrize("loss_fn", list(differentiable_losses()))
def test_first_and_second_derivatives_are_those_of_the_value(loss_fn):
    logits = batch(7, n=4, classes=3)[0].requires_grad_()
    assert gradcheck(loss_fn, logits, eps=1e-6, atol=1e-8)
    assert gradgradcheck(loss_fn, logits, eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("loss_fn", [
    lambda x, t: focal_loss(x, t, gamma=0.5, weight=torch.tensor([1.0, 2.0, 3.0])),
    lambda x, t: focal_loss(x, t, gamma=2.0),
    lambda x, t: label_smoothing_cross_entropy(x, t, weight=torch.tensor([1.0, 2.0, 3.0])),
    soft_f1_loss,
    lambda x, t: soft_f1_loss(x, t.unsqueeze(-1) == torch.arange(3)),
    lambda x, t: sigmoid_focal_loss(x, (t == 1).unsqueeze(-1).expand(x.shape), alpha=0.25),
])
def test_vmap_is_a_loop(loss_fn):
    """Many models at once, or per-sample gradients: the same numbers as one after the other."""
    logits = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(8))
    target = torch.randint(3, (4, 5), generator=torch.Generator().manual_seed(9))
    if loss_fn is not soft_f1_loss:
        target[1, 2] = target[3, :] = -100
    value_and_grad = torch.func.grad_and_value(loss_fn)
    together = torch.vmap(value_and_grad)(logits, target.clone())
    for i in range(4):
        torch.testing.assert_close([t[i] for t in together],
                                   list(value_and_grad(logits[i], target[i])))
    shared = torch.vmap(loss_fn, in_dims=(0, None))(logits, target[0])
    torch.testing.assert_close(shared, torch.stack([loss_fn(x, target[0]) for x in logits]))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")  # torch's own
def test_hessian_by_torch_func():
    logits, target = batch(10, n=2, classes=3)
    by_func = torch.func.hessian(lambda x: focal_loss(x, target, gamma=2.0))(logits)
    by_autograd = torch.autograd.functional.hessian(
        lambda x: focal_loss(x, target, gamma=2.0), logits)
    torch.testing.assert_close(by_func, by_autograd)


# ----------------------------------------------------------------------------------- clear refusals

X, T = torch.zeros(2, 3), torch.tensor([0, 1])


@pytest.mark.parametrize(("call", "kind", "says"), [
    (lambda: focal_loss(X, T, gamma=-1), ValueError, "gamma is -1.*>= 0"),
    (lambda: focal_loss(X, T, gamma=math.nan), ValueError, "gamma is nan"),
    (lambda: focal_loss(X, T, gamma="2"), ValueError, "gamma is '2'"),
    (lambda: focal_loss(X, T + 2), ValueError, r"holds 3; with 3 classes .* 0 \.\.\. 2"),
    (lambda: focal_loss(X, torch.tensor([0, -1])), ValueError, "holds -1.*ignore_index, -100"),
    (lambda: focal_loss(X, torch.tensor([0])), ValueError, r"shape \(1,\).*must be \(2,\)"),
    (lambda: focal_loss(X, X), TypeError, "float32.*class indices.*soft targets"),
    (lambda: focal_loss(X, T.bool()), TypeError, "bool"),
    (lambda: focal_loss(X.long(), T), TypeError, "logits have dtype torch.int64"),
    (lambda: focal_loss(X[:, :1], T * 0), ValueError, r"shape \(2, 1\).*C >= 2.*sigmoid"),
    (lambda: focal_loss(X[0], T[0]), ValueError, r"shape \(3,\)"),
    (lambda: focal_loss(X, T, weight=torch.ones(2)), ValueError, r"shape \(2,\).*3 classes"),
    (lambda: focal_loss(X, T, weight=-torch.ones(3)), ValueError, "weight is .*-1.0.*>= 0"),
    (lambda: focal_loss(X, T, weight=[1, 1, 1]), TypeError, "weight is a list"),
    (lambda: focal_loss(X, T, reduction="avg"), ValueError, "reduction is 'avg'.*mean"),
    (lambda: sigmoid_focal_loss(X, T), ValueError, r"shape \(2,\).*\(2, 3\)"),
    (lambda: sigmoid_focal_loss(X, X + 0.3), ValueError, "holds 0.3.*0 or 1.*soft"),
    (lambda: sigmoid_focal_loss(X, X * math.nan), ValueError, "holds nan"),
    (lambda: sigmoid_focal_loss(X, X, alpha=1.5), ValueError, r"alpha is 1.5.*\[0, 1\]"),
    (lambda: sigmoid_focal_loss(X, X, alpha=-1), ValueError, "alpha is -1.*None"),
    (lambda: label_smoothing_cross_entropy(X, T, smoothing=1.1), ValueError, "smoothing is 1.1"),
    (lambda: label_smoothing_cross_entropy(X, T, spread="K"), ValueError, "spread is 'K'.*others"),
    (lambda: soft_f1_loss(X, T, average="weighted"), ValueError, "average is 'weighted'.*macro"),
    (lambda: soft_f1_loss(X, T, average="binary"), ValueError, "there are 3"),
    (lambda: soft_f1_loss(X, torch.zeros(2, 2)), ValueError, r"\(2, 2\)"),
    (lambda: soft_f1_loss(X, T, beta=0), ValueError, "beta is 0"),
    (lambda: soft_f1_loss(X, torch.tensor([0, 7])), ValueError, r"holds 7; .* 0 \.\.\. 2$"),
    (lambda: sigmoid_focal_loss(X[0], torch.tensor([1.0, 0.0, math.inf])), ValueError, "holds inf"),
    (lambda: sigmoid_focal_loss(X, X, gamma=True), ValueError, "gamma is True"),
    (lambda: sigmoid_focal_loss(X, X, gamma=math.inf), ValueError, "gamma is inf"),
    (lambda: soft_f1_loss(X, T, beta=math.inf), ValueError, "beta is inf"),
    (lambda: focal_loss([[1.0, 2.0]], T), TypeError, "logits is a list"),
    (lambda: focal_loss(X, [0, 1]), TypeError, "target is a list"),
    (lambda: soft_f1_loss(X, [0, 1]), TypeError, "target is a list"),
    (lambda: focal_loss(X, T.to(torch.complex64)), TypeError, "complex64"),
    (lambda: focal_loss(X, T, weight=torch.tensor([1, 2, math.inf])), ValueError, "finite"),
    (lambda: focal_loss(X, T, weight=torch.full((3,), 1e300, dtype=torch.float64)), ValueError,
     "inf.*finite"),
    (lambda: FocalLoss(weight=torch.tensor([-1.0, 2.0])), ValueError, "weight is"),
    (lambda: FocalLoss(weight=[1.0, 2.0]), TypeError, "weight is a list"),
    (lambda: FocalLoss(gamma=-0.5), ValueError, "gamma is -0.5"),
    (lambda: SigmoidFocalLoss(alpha=2), ValueError, "alpha is 2"),
    (lambda: LabelSmoothingLoss(smoothing=-1), ValueError, "smoothing is -1"),
    (lambda: SoftF1Loss(average="none"), ValueError, "average is 'none'"),
])
def test_bad_arguments_are_named_with_their_value_and_the_remedy(call, kind, says):
    with pytest.raises(kind, match=says):
        call()


@pytest.mark.parametrize("row", [[0.0, -math.inf], [-math.inf, 0.0], [2.0, -math.inf, -math.inf]])
def test_a_logit_of_minus_infinity_is_a_class_that_cannot_be(row):
    """As a mask over classes makes them: the value is torch's, and the gradient is no nan."""
    for true in range(len(row)):
        target = torch.tensor([true])
        for loss_fn in (partial(focal_loss, gamma=0.0), partial(label_smoothing_cross_entropy,
                                                                smoothing=0.0)):
            logits = torch.tensor([row], requires_grad=True)
            ours, torchs = loss_fn(logits, target), F.cross_entropy(logits.detach(), target)
            torch.testing.assert_close(ours, torchs)
            assert torch.autograd.grad(ours, logits)[0].isfinite().all()
        for gamma in (0.5, 2.0):
            logits = torch.tensor([row], requires_grad=True)
            ours = focal_loss(logits, target, gamma=gamma)
            assert ours == torchs  # 0 or inf
            assert torch.autograd.grad(ours, logits)[0].isfinite().all()
        logits = torch.tensor([row], requires_grad=True)
        ours = soft_f1_loss(logits, target)
        assert ours == float(row[true] == -math.inf)
        assert torch.autograd.grad(ours, logits)[0].isfinite().all()


@pytest.mark.parametrize("logits", [torch.zeros(5, 1), torch.zeros(5)])
def test_soft_f1_of_one_logit_a_sample_asks_for_equal_shapes(logits):
    target = torch.ones(5, 1) if logits.dim() == 1 else torch.ones(5)
    with pytest.raises(ValueError, match=r"for one logit per sample give both the same shape"):
        soft_f1_loss(logits, target)
    with pytest.raises(ValueError, match=r"for one logit per sample give both the same shape"):
        SoftF1Loss()(torch.zeros(5, 1), torch.ones(5).long())
