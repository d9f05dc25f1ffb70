"""Figures show the numbers they were given, say so on their axes, and leave matplotlib alone."""

import base64

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.colors import to_rgb
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve

from course_utils import plots
from course_utils.training import History


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def numbers(ax):
    return [text.get_text() for text in ax.texts]


Y = np.array([0, 0, 0, 1, 1, 2])
TOLD = np.array([0, 0, 1, 1, 0, 2])


def test_confusion_matrix_rows_are_true_classes():
    ax = plots.plot_confusion_matrix(Y, TOLD, class_names=["a", "b", "c"])
    assert numbers(ax) == [str(n) for n in confusion_matrix(Y, TOLD).ravel()]
    assert ax.get_ylabel() == "true class"
    assert ax.get_xlabel() == "predicted class"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first true class is on top


@pytest.mark.parametrize("normalize", ["true", "pred", "all"])
def test_confusion_matrix_shares_are_scikit_learns(normalize):
    ax = plots.plot_confusion_matrix(Y, TOLD, normalize=normalize)
    wanted = confusion_matrix(Y, TOLD, normalize=normalize).ravel()
    assert numbers(ax) == [f"{share:.1%}" for share in wanted]


def test_confusion_matrix_counts_weights_and_keeps_classes_that_never_occur():
    ax = plots.plot_confusion_matrix(torch.tensor([0, 1]), torch.tensor([0, 0]),
                                     class_names=["normal", "fraud", "other"],
                                     sample_weight=[1000.0, 2.0])
    assert numbers(ax) == ["1,000", "0", "0", "2", "0", "0", "0", "0", "0"]


@pytest.mark.parametrize(("call", "says"), [
    (lambda: plots.plot_confusion_matrix(Y, TOLD + 0.3), "y_pred holds 0.3.*threshold"),
    (lambda: plots.plot_confusion_matrix(Y, TOLD, normalize="rows"), "normalize is 'rows'"),
    (lambda: plots.plot_confusion_matrix(Y, TOLD, class_names=["a", "b"]), "class 2 has no name"),
    (lambda: plots.plot_pr_curve([0, 0], [0.1, 0.2]), "no positive"),
    (lambda: plots.plot_history(History("val_loss")), "empty"),
    (lambda: plots.show(plt.figure(), " "), "sentence is empty"),
])
def test_bad_arguments_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_pr_curve_of_one_run_lies_on_scikit_learns_points():
    rng = np.random.default_rng(0)
    y, weight = rng.integers(2, size=60), rng.random(60)
    prob = np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 1)
    ax = plots.plot_pr_curve(y, prob, sample_weight=weight, threshold=None)
    precision, recall, _ = precision_recall_curve(y, prob, sample_weight=weight)
    (line,) = ax.get_lines()
    for r, p in zip(*line.get_data(), strict=True):
        reached = recall[recall >= r].min()
        assert p == pytest.approx(precision[recall == reached].max())
    ap = average_precision_score(y, prob, sample_weight=weight)
    assert ax.get_legend().get_texts()[0].get_text() == f"AP {ap:.3f}"


def test_pr_curve_of_several_runs_has_a_band_and_marks_each_threshold():
    y = np.array([0, 0, 1, 1, 1])
    runs = [[0.1, 0.6, 0.4, 0.7, 0.9], [0.2, 0.3, 0.4, 0.8, 0.9], [0.1, 0.1, 0.2, 0.3, 0.4]]
    ax = plots.plot_pr_curve(y, runs, label="focal")
    curve, *dots = ax.get_lines()
    assert len(ax.collections) == 1
    # at 0.5: two of three found with one false alarm; two of three without; nothing found, no dot
    assert [(d.get_xdata()[0], d.get_ydata()[0]) for d in dots] == [
        pytest.approx((2 / 3, 2 / 3)), pytest.approx((2 / 3, 1))]
    aps = [average_precision_score(y, run) for run in runs]
    assert f"AP {np.mean(aps):.3f} ± {np.std(aps, ddof=1):.3f}" in (
        ax.get_legend().get_texts()[0].get_text())
    assert curve.get_color() == plots.LOOK["focal"]["color"]


def test_belief_map_tells_the_belief_at_the_mark():
    ax = plots.plot_belief_map({"cross entropy": bce}, mark=0.25)
    assert ax.get_legend().get_texts()[0].get_text() == "cross entropy: 0.25"
    eta, drawn = ax.get_lines()[1].get_data()
    np.testing.assert_allclose(drawn, eta, atol=1e-6)


def test_history_shows_the_losses_and_the_kept_epoch():
    rows = [{"epoch": e, "lr": 0.1, "train_loss": 1 / e, "val_loss": 2 / e} for e in (1, 2, 3)]
    ax = plots.plot_history(History("val_loss", rows, best_epoch=3))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "train loss", "val loss", "kept: epoch 3"]
    np.testing.assert_allclose(ax.get_lines()[1].get_ydata(), [2, 1, 2 / 3])
    with pytest.raises(ValueError, match="'f1'; the history has lr, train_loss, val_loss"):
        plots.plot_history(History("val_loss", rows), columns=["f1"])


def test_nothing_global_changes():
    before = dict(plt.rcParams)
    plots.plot_confusion_matrix(Y, TOLD)
    plots.plot_belief_map({"cross entropy": bce})
    assert dict(plt.rcParams) == before


def test_a_given_axes_is_drawn_on():
    _, ax = plt.subplots()
    assert plots.plot_confusion_matrix(Y, TOLD, ax=ax) is ax
    assert plots.plot_pr_curve(Y > 0, TOLD / 3, ax=ax) is ax


def test_looks_differ_in_dash_and_in_grey():
    """Two losses that share a dash, or a grey, could not be told apart in a copied handout."""
    looks = list(plots.LOOK.values())
    assert len({str(look["linestyle"]) for look in looks}) == len(looks)
    assert len({look["color"] for look in looks}) == len(looks)
    grey = sorted(0.299 * r + 0.587 * g + 0.114 * b for r, g, b in
                  (to_rgb(look["color"]) for look in looks))
    assert grey[-1] < 0.75  # none fades into white paper


def test_show_gives_picture_sentence_and_alternative_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a, k)))
    figure, ax = plt.subplots()
    plots.show(ax, "A figure that   shows nothing.")
    (picture,), options = shown[0]
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    assert options["metadata"]["image/png"]["alt"] == "A figure that shows nothing."
    assert shown[1][0][0].data == "*A figure that shows nothing.*"
    assert not plt.fignum_exists(figure.number)
