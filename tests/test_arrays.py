"""Every kind of array-like means the same numbers, in metrics and plots."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import confusion_matrix, precision_recall_curve
from torch import Tensor

from course_utils import metrics, plots, runtime
from course_utils.arrays import as_array
from course_utils.data import creditcard_twin


class Elsewhere(Tensor):
    """Stands in for a tensor on another device: it becomes an array only after cpu()."""

    def cpu(self):
        return self.as_subclass(Tensor)

    def numpy(self, **_):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    __array__ = numpy


def with_gradient(values) -> Tensor:
    tensor = torch.tensor(np.asarray(values).copy())
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def series(values):
    """With an index that is neither sorted nor complete, as after a filter."""
    values = np.asarray(values)
    index = range(2 * len(values) + 1, 1, -2)
    return pd.Series(values, index=index) if values.ndim == 1 else pd.DataFrame(values, index=index)


KINDS = {
    "list": lambda v: np.asarray(v).tolist(),
    "tuple": lambda v: tuple(np.asarray(v).tolist()) if np.ndim(v) else v,
    "series": lambda v: series(v) if np.ndim(v) else v,
    "gradient": with_gradient,
    "elsewhere": lambda v: with_gradient(v).as_subclass(Elsewhere),
    "tensors in a list": lambda v: list(with_gradient(v)) if np.ndim(v) else v,
    "series in a list": lambda v: ([series(row) if np.ndim(row) else row for row in np.asarray(v)]
                                   if np.ndim(v) else v),
}

Y = np.array([0, 1, 1, 0, 1, 0])
P = np.array([0.2, 0.9, 0.4, 0.1, 0.7, 0.6])
P3 = np.stack([P / 2, 1 - P, P / 2], axis=1)
W = np.array([1.0, 2.0, 1.0, 3.0, 1.0, 1.0])
RUNS = np.stack([P, P[::-1]])
POINTS = np.stack([P, W], axis=1)


def drawn(ax) -> list:
    """All numbers and words on an Axes."""
    return [*(line.get_xydata().tolist() for line in ax.lines),
            *(text.get_text() for text in ax.texts),
            *(dots.get_offsets().tolist() for dots in ax.collections),
            *(text.get_text() for text in (ax.get_legend().get_texts() if ax.get_legend() else []))]


CALLS = {
    "belief": lambda a: metrics.belief(lambda x, y: (x.sigmoid() - y) ** 2, a(P)).tolist(),
    "best_f1_threshold": lambda a: metrics.best_f1_threshold(a(Y), a(P), sample_weight=a(W)),
    "expected_cost": lambda a: metrics.expected_cost(a(Y), a(Y[::-1]), a(W), fee=1.0,
                                                     sample_weight=a(W)),
    "best_cost_threshold": lambda a: metrics.best_cost_threshold(a(Y), a(P), a(W), fee=1.0,
                                                                 sample_weight=a(W)),
    "correct_prior": lambda a: metrics.correct_prior(a(P), weight=3.0).tolist(),
    "posterior_error": lambda a: metrics.posterior_error(a(P), a(P[::-1]), sample_weight=a(W)),
    "seed_band": lambda a: [x.tolist() for x in metrics.seed_band(a(RUNS))],
    "paired_gain": lambda a: metrics.paired_gain(
        lambda p, y: (p * y).mean(), a(Y), a(RUNS), a(RUNS[::-1]), repeats=5)[1],
    "calibration_error": lambda a: metrics.calibration_error(a(Y), a(P), sample_weight=a(W)),
    "calibration_error of classes": lambda a: metrics.calibration_error(a(Y), a(P3)),
    "calibration_floor": lambda a: metrics.calibration_floor(a(P)),
    "cluster_looseness": lambda a: metrics.cluster_looseness(a(POINTS), a(Y), classes=a([1, 0])),
    "template_plane": lambda a: metrics.template_plane(a(P3[:3]), a([2, 0, 1])).abs().tolist(),
    "plot_confusion_matrix": lambda a: drawn(plots.plot_confusion_matrix(
        a(Y), a(Y[::-1]), sample_weight=a(W))),
    "plot_runs": lambda a: drawn(plots.plot_runs({"focal": a(RUNS)}, x=a(W))),
    "plot_clouds": lambda a: drawn(plots.plot_clouds(a(POINTS), a(Y), classes=a([0, 1]))),
    "plot_gains": lambda a: drawn(plots.plot_gains({"early": (a(P), a(0.5))})),
    "plot_intervals": lambda a: drawn(plots.plot_intervals(
        {"all": {"early": (a(0.1), a(0.5), a(0.6))}}, smallest=0.1)),
    "plot_pr_curve": lambda a: drawn(plots.plot_pr_curve(a(Y), a(P), sample_weight=a(W))),
    "plot_pr_curve of runs": lambda a: drawn(plots.plot_pr_curve(a(Y), [a(P), a(P[::-1])])),
    "plot_reliability": lambda a: drawn(plots.plot_reliability(a(Y), a(P))),
    "plot_reliability of runs": lambda a: drawn(plots.plot_reliability(a(Y), [a(P), a(P[::-1])])),
    "plot_loss_curves": lambda a: drawn(plots.plot_loss_curves(gammas=a([0.0, 2.0]))),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_every_kind_of_array_gives_what_an_array_gives(name, kind):
    wanted, found = CALLS[name](np.asarray), CALLS[name](KINDS[kind])
    assert str(found) == str(wanted)


@pytest.mark.parametrize("kind", ["series", "gradient", "elsewhere"])
def test_a_table_of_classes_is_one_run(kind):
    found, wanted = (drawn(plots.plot_reliability(Y, a(P3))) for a in (KINDS[kind], np.asarray))
    assert found == wanted


def test_the_series_of_the_bug_report():
    y, prob = [0, 1, 1, 0], [0.2, 0.9, 0.6, 0.3]
    found = plots.plot_reliability(y, pd.Series(prob, index=[9, 7, 5, 3]))
    assert drawn(found) == drawn(plots.plot_reliability(y, np.array(prob)))


def test_half_precision_and_small_types_keep_their_values():
    for dtype in (torch.bfloat16, torch.float16, torch.bool, torch.uint8):
        np.testing.assert_array_equal(as_array(torch.ones(2, dtype=dtype)), [1, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_scikit_learn_gets_numpy_arrays(monkeypatch, kind):
    """scikit-learn 1.6 answers a tensor with "Unsupported device for NumPy"."""
    def only_arrays(function):
        def checked(*args, **options):
            data = [*args, options.get("sample_weight")]
            assert all(value is None or type(value) is np.ndarray for value in data)
            return function(*args, **options)
        return checked

    monkeypatch.setattr(plots, "confusion_matrix", only_arrays(confusion_matrix))
    monkeypatch.setattr(metrics, "precision_recall_curve", only_arrays(precision_recall_curve))
    a = KINDS[kind]
    plots.plot_confusion_matrix(a(Y), a(Y), sample_weight=a(W))
    plots.plot_pr_curve(a(Y), a(P), sample_weight=a(W))
    metrics.best_f1_threshold(a(Y), a(P), sample_weight=a(W))


def test_titles_and_normalisation_may_be_series_and_tensors():
    pictures = torch.zeros(3, 3, 4, 4)
    figure = plots.show_images(pictures, titles=pd.Series(list("abc"), index=[5, 3, 1]),
                               mean=torch.tensor([0.5] * 3),
                               std=pd.Series([0.5] * 3, index=[2, 1, 0]))
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.images] == list("abc")
    assert float(figure.axes[0].images[0].get_array().max()) == 0.5


@pytest.mark.parametrize("seed", [np.int64(1), np.uint8(1), torch.tensor(1), True])
def test_a_seed_may_be_any_integer(seed):
    wanted = torch.rand(1, generator=runtime.seed_everything(1))
    assert torch.equal(torch.rand(1, generator=runtime.seed_everything(seed)), wanted)
    part = creditcard_twin(n=100, n_fraud=10).split(seed=int(seed)).train
    assert len(part.repeated(seed=seed)) == len(part)


@pytest.mark.parametrize("seed", [1.0, "1", None])
def test_a_seed_that_is_no_integer_is_quoted(seed):
    with pytest.raises(ValueError, match=f"seed is {seed!r}; it must be a whole number"):
        runtime.seed_everything(seed)
