"""Figures show the numbers they were given, say so on their axes, and leave matplotlib alone."""

import base64
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve

from course_utils import plots
from course_utils.metrics import calibration_error
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


def test_confusion_matrix_refuses_what_it_would_lose():
    for wrong in ([0, 1, -100], ["ant", "bee", "ant"], [], [0, 1, np.nan]):
        with pytest.raises(ValueError, match="y_true must hold class indices"):
            plots.plot_confusion_matrix(wrong, [0, 1, 1][:len(wrong)])


def test_confusion_matrix_takes_arrays_of_names_and_one_lonely_class():
    names = np.array(["a", "b"])
    assert numbers(plots.plot_confusion_matrix([0, 0], [0, 0], class_names=names))[0] == "2"
    assert numbers(plots.plot_confusion_matrix([0, 1], [0, 0], sample_weight=[0.2, 0.3])) == [
        "0.20", "0.00", "0.30", "0.00"]


def test_confusion_matrix_counts_weights_and_keeps_classes_that_never_occur():
    ax = plots.plot_confusion_matrix(torch.tensor([0, 1]), torch.tensor([0, 0]),
                                     class_names=["normal", "fraud", "other"],
                                     sample_weight=[1000.0, 2.0])
    assert numbers(ax) == ["1,000", "0", "0", "2", "0", "0", "0", "0", "0"]


def overlapping(axis) -> list:
    boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
    return [pair for pair in itertools.pairwise(boxes) if pair[0].overlaps(pair[1])]


def assert_everything_fits(ax, classes):
    ax.figure.draw_without_rendering()
    (left, bottom), (right, top) = ax.transData.transform([(0, 0), (1, 1)])
    assert len(ax.texts) in (0, classes**2)
    for text in ax.texts:
        box = text.get_window_extent()
        assert box.width < abs(right - left)
        assert box.height < abs(top - bottom)
        assert text.get_fontsize() >= 7
    assert not overlapping(ax.xaxis) + overlapping(ax.yaxis)


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 13, 20, 25, 40, 100])
@pytest.mark.parametrize("normalize", [None, "true"])
def test_numbers_and_names_fit_from_2_to_100_classes(classes, normalize):
    y = np.tile(np.arange(classes), 12)
    ax = plots.plot_confusion_matrix(y, y, normalize=normalize)
    assert_everything_fits(ax, classes)
    assert ax.texts or classes > 5
    assert not ax.texts or classes < 40
    if classes <= 3:
        assert {text.get_fontsize() for text in ax.texts} == {15}
    assert ax.get_yticklabels()[0].get_text() == ax.get_xticklabels()[0].get_text() == "0"


def test_long_names_stand_apart():
    names = [f"a rather long name, number {i}" for i in range(12)]
    assert_everything_fits(plots.plot_confusion_matrix([0, 11], [0, 11], class_names=names), 12)


def test_several_matrices_in_one_figure_fit_whichever_comes_last():
    with plt.style.context(plots.STYLE):
        _, axes = plt.subplots(1, 4)
    y = np.repeat([0, 1], [56_861, 490])
    for ax in axes:
        plots.plot_confusion_matrix(y, 0 * y, class_names=["normal", "fraud"], ax=ax)
    for ax in axes:
        assert_everything_fits(ax, 2)
        assert numbers(ax) == ["56,861", "0", "490", "0"]


@pytest.mark.parametrize(("call", "says"), [
    (lambda: plots.plot_confusion_matrix(Y, TOLD + 0.3), "y_pred must hold .*threshold"),
    (lambda: plots.plot_confusion_matrix(Y, TOLD, normalize="rows"), "normalize is 'rows'"),
    (lambda: plots.plot_confusion_matrix(Y, TOLD, class_names=["a", "b"]), "class 2 has no name"),
    (lambda: plots.plot_pr_curve([0, 0], [0.1, 0.2]), "no positive"),
    (lambda: plots.plot_history(History("val_loss")), "empty"),
    (lambda: plots.show(plt.figure(), " "), "sentence is empty"),
    (lambda: plots.plot_loss_curves(gammas=()), "gammas is empty"),
    (lambda: plots.plot_loss_curves(gammas=(2, -1)), "gamma is -1"),
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


@pytest.mark.parametrize("gradient", [False, True])
def test_loss_curves_are_the_formula_and_its_derivative(gradient):
    gammas = (2, 0, 0.5, 5)
    ax = plots.plot_loss_curves(gammas=gammas, gradient=gradient)
    assert [line.get_label() for line in ax.get_lines()] == [
        "γ = 0 (cross entropy)", "γ = 0.5", "γ = 2", "γ = 5"]
    for line, gamma in zip(ax.get_lines(), sorted(gammas), strict=True):
        p, drawn = line.get_data()
        formula = 1 - p - gamma * p * np.log(p) if gradient else -np.log(p)
        np.testing.assert_allclose(drawn, (1 - p) ** gamma * formula, rtol=1e-9)


def test_loss_curves_differ_in_colour_and_in_dash():
    lines = plots.plot_loss_curves().get_lines()
    assert len({to_rgb(line.get_color()) for line in lines}) == len(lines)
    assert len({str(line._dash_pattern) for line in lines}) == len(lines)
    assert to_rgb(lines[0].get_color()) == to_rgb(plots.LOOK["cross entropy"]["color"])
    by_label = {line.get_label(): line for line in lines}
    assert by_label["γ = 2"].get_color() == plots.LOOK["focal"]["color"]
    grey = [np.dot(to_rgb(line.get_color()), (0.299, 0.587, 0.114)) for line in lines[1:]]
    assert grey == sorted(grey, reverse=True)  # a larger gamma is darker


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
    monkeypatch.setattr("IPython.get_ipython", object)
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a, k)))
    figure, ax = plt.subplots()
    plots.show(ax, "A figure that   shows nothing.")
    (picture,), options = shown[0]
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    assert options["metadata"]["image/png"]["alt"] == "A figure that shows nothing."
    assert shown[1][0][0].data == "*A figure that shows nothing.*"
    assert not plt.fignum_exists(figure.number)


def test_reliability_of_one_run_shows_scikit_learns_frequencies():
    rng = np.random.default_rng(0)
    prob = rng.random(1000)
    y = (rng.random(1000) < prob).astype(int)
    ax = plots.plot_reliability(y, prob, label="cross entropy")
    frequency, stated = calibration_curve(y, prob, n_bins=10)
    curve = ax.get_lines()[0]
    np.testing.assert_allclose(curve.get_xydata(), np.column_stack([stated, frequency]))
    said = ax.get_legend().get_texts()[0].get_text()
    assert said == f"cross entropy, ECE {calibration_error(y, prob):.3f}"
    assert curve.get_color() == plots.LOOK["cross entropy"]["color"]


def test_reliability_of_several_runs_has_a_band_from_lowest_to_highest():
    y = np.array([0, 1, 1, 1])
    runs = [np.array([0.62, 0.62, 0.9, 0.9]), np.array([0.9, 0.62, 0.62, 0.9])]
    ax = plots.plot_reliability(y, runs)
    (band,) = ax.collections[:1]
    low, high = band.get_paths()[0].get_extents().get_points()
    assert (low[0], high[0]) == pytest.approx((0.62, 0.9))
    assert (low[1], high[1]) == pytest.approx((0.5, 1.0))
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), [0.75, 0.75])
    assert "±" in ax.get_legend().get_texts()[0].get_text()


def test_reliability_of_classes_counts_right_answers():
    prob = torch.tensor([[0.8, 0.2], [0.3, 0.7]])
    ax = plots.plot_reliability(torch.tensor([0, 0]), prob)
    assert ax.get_ylabel() == "share of right answers"
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), [0, 1])  # stated 0.7, then 0.8
    several = plots.plot_reliability(torch.tensor([0, 0]), [prob, prob])
    np.testing.assert_allclose(several.get_lines()[0].get_ydata(), [0, 1])


def test_numbers_still_fit_on_the_page_after_a_long_label_and_with_shared_names(monkeypatch):
    figures = []
    really_save = plt.Figure.savefig

    def save(figure, *arguments, **options):
        figures.append(figure)
        really_save(figure, *arguments, **options)

    monkeypatch.setattr(plt.Figure, "savefig", save)

    def draw(threshold, ax):
        y = np.repeat([0, 1], [56_861, 490])
        plots.plot_confusion_matrix(y, 0 * y, class_names=["normal", "fraud"], ax=ax)
        ax.set_xlabel("predicted class\nprecision\nrecall\ncost\nand more\nand more\nand more")

    plots.explore(draw, "Three matrices.", threshold=(0.5, 0, 1, 0.1))
    assert [len(figure.axes) for figure in figures] == [1, 3]
    for ax in figures[1].axes:
        assert_everything_fits(ax, 2)
        assert len(ax.texts) == 4


def draw_line(slope, ax):
    ax.plot([0, 1], [0, slope])


def test_runs_are_shown_by_their_mean_and_range():
    ax = plots.plot_runs({"focal": [[0.0, 2.0], [1.0, 4.0], [5.0, 3.0]]}, x=[10, 20])
    line, = ax.lines
    assert line.get_xydata().tolist() == [[10.0, 2.0], [20.0, 3.0]]
    assert line.get_color() == plots.LOOK["focal"]["color"]
    corners = ax.collections[0].get_paths()[0].vertices
    assert {tuple(c) for c in corners} >= {(10, 0), (10, 5), (20, 2), (20, 4)}
    assert not plots.plot_runs({"focal": [[1.0]]}, band=False).collections
    with pytest.raises(ValueError, match=r"runs of 'focal' have shape \(2,\)"):
        plots.plot_runs({"focal": [0.5, 0.6]})


def test_gains_are_shown_pair_by_pair_with_mean_and_two_errors():
    ax = plots.plot_gains({"early": ([0.1, 0.3], 0.05), "late": ([-0.1, 0.0, 0.1], 0.02)})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["early", "late"]
    assert ax.lines[0].get_xydata().tolist() == [[0.1, 0.0], [0.3, 0.0]]
    ends = [line.get_segments()[0][:, 0].tolist() for line in ax.collections]
    np.testing.assert_allclose(ends, [[0.1, 0.3], [-0.04, 0.04]], atol=1e-12)
    assert ax.yaxis_inverted()
    with pytest.raises(ValueError, match="gains is empty"):
        plots.plot_gains({})


def test_answers_are_shown_as_shares_in_bins_beside_the_belief():
    def bce(logits, target):
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, target,
                                                                    reduction="none")

    answers = np.array([[0.2] * 60 + [0.002] * 60 + [0.9] * 10])
    truth = np.array([1.0] * 15 + [0.0] * 45 + [0.003] * 60 + [1.0] * 10)
    ax = plots.plot_answers({"cross entropy": bce}, {"cross entropy": answers}, truth)
    dots, line = ax.lines
    np.testing.assert_allclose(dots.get_xdata(), [0.002, 0.2])  # too few answers lie near 0.9
    np.testing.assert_allclose(dots.get_ydata(), [0.003, 0.25])
    np.testing.assert_allclose(line.get_xdata(), line.get_ydata(), atol=1e-6)
    assert dots.get_color() == line.get_color() == plots.LOOK["cross entropy"]["color"]
    with pytest.raises(ValueError, match="must be"):
        plots.plot_answers({"cross entropy": bce}, {"cross entropy": answers}, truth[1:])


def test_intervals_have_two_ends_and_a_middle_and_a_band_of_what_is_too_small():
    rows = {"weighted": (-0.01, 0.02, 0.05), "focal": (-0.02, -0.015, -0.01)}
    ax = plots.plot_intervals({"all": rows}, smallest=0.01)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["weighted", "focal"]
    ends = [bar.get_segments()[0][:, 0].tolist() for bar in ax.collections]
    np.testing.assert_allclose(ends, [[-0.01, 0.05], [-0.02, -0.01]])
    assert ax.patches[0].get_extents().transformed(ax.transData.inverted()).intervalx == (
        pytest.approx([-0.01, 0.01]))
    assert ax.get_legend() is None


def test_two_series_of_intervals_lie_one_above_the_other_and_have_a_legend():
    one, two = {"a": (0, 1, 2), "b": (1, 2, 3)}, {"b": (1, 2, 3)}
    ax = plots.plot_intervals({"few": one, "many": two}, smallest=0.5)
    heights = [bar.get_segments()[0][0, 1] for bar in ax.collections]
    assert heights == pytest.approx([-0.18, 0.82, 1.18])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["few", "many"]


@pytest.mark.parametrize(("intervals", "says"), [
    ({}, "0 series with 0 comparisons"), ({"a": {}}, "1 series with 0"),
    ({n: {"x": (0, 1, 2)} for n in "abc"}, "3 series"), ({"a": {"x": (1, 0, 2)}}, "of 'x' is")])
def test_intervals_that_cannot_be_drawn_are_refused(intervals, says):
    with pytest.raises(ValueError, match=says):
        plots.plot_intervals(intervals, smallest=0.01)


def test_hits_are_shown_run_by_run_with_wilsons_interval():
    ax = plots.plot_hits({"head": [140, 150], "always bee": 83, "all": [153]}, 153)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["head", "always bee", "all"]
    bars, runs = ax.lines[::2], ax.lines[1::2]
    for bar, hits in zip(bars, [145, 83, 153], strict=True):
        interval = binomtest(hits, 153).proportion_ci(method="wilson")
        np.testing.assert_allclose(bar.get_xdata(), interval, atol=1e-6)
    assert [line.get_xdata().tolist() for line in runs] == [[140 / 153, 150 / 153], [83 / 153], [1]]
    assert ax.yaxis_inverted()


@pytest.mark.parametrize(("hits", "says"), [
    ({}, "hits is empty"), ({"a": []}, r"hits\['a'\] is \[\]"), ({"a": [154]}, "from 0 to 153"),
    ({"a": [-1]}, "from 0 to 153")])
def test_hits_that_cannot_be_are_refused(hits, says):
    with pytest.raises(ValueError, match=says):
        plots.plot_hits(hits, 153)


def test_what_is_no_loss_gets_no_colour_of_a_loss():
    lines = plots.plot_runs({name: [[1.0]] for name in ["few", "focal", "many", "x", "y"]}).lines
    mine = {line.get_color() for line in lines if line.get_label() != "focal"}
    assert len(mine) == 4
    assert not mine & {look["color"] for look in plots.LOOK.values()}


def test_clouds_are_shown_in_units_of_the_distance_between_them():
    points = np.array([[0.0, 0], [0, 2], [6, 0], [6, 2], [3, 9]])
    labels = [1, 1, 8, 8, 9]
    for scale in (1, 50):
        ax = plots.plot_clouds(scale * points + 7, labels, classes=[8, 1])
        eight, one = (line.get_xydata() for line in ax.lines)
        np.testing.assert_allclose(eight, [[0.5, -1 / 6], [0.5, 1 / 6]], atol=1e-12)
        np.testing.assert_allclose(one, [[-0.5, -1 / 6], [-0.5, 1 / 6]], atol=1e-12)
    with pytest.raises(ValueError, match="classes holds 3, which no label is"):
        plots.plot_clouds(points, labels, classes=[1, 3])
    with pytest.raises(ValueError, match=r"points has shape \(5, 1\)"):
        plots.plot_clouds(points[:, :1], labels, classes=[1, 8])


def test_explore_gives_a_live_slider_and_a_still_picture(monkeypatch):
    import ipywidgets
    boxes, shown = [], []
    plt.figure()  # at its first figure pyplot asks for IPython, too
    plt.close()
    make_box = ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda parts: boxes.append(parts) or make_box(parts))
    monkeypatch.setattr("IPython.get_ipython", object)
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append(a[0]))
    plots.explore(draw_line, "A line for three slopes.", slope=(2.0, 0.0, 4.0, 0.5))
    (slider, image), = boxes
    assert (slider.value, slider.min, slider.max, slider.step) == (2.0, 0.0, 4.0, 0.5)
    before = image.value
    slider.value = 3.0
    assert image.value != before
    assert base64.b64decode(shown[0]["image/png"]).startswith(b"\x89PNG")
    assert "model_id" in shown[0]["application/vnd.jupyter.widget-view+json"]
    assert shown[1].data == "*A line for three slopes.*"
    assert plt.get_fignums() == []


def test_explore_names_a_slider_that_cannot_be():
    with pytest.raises(ValueError, match=r"slope is 5; its slider runs from 0 to 4"):
        plots.explore(draw_line, "A line.", slope=(5, 0, 4, 1))
    with pytest.raises(ValueError, match="at least one slider"):
        plots.explore(draw_line, "A line.")
    with pytest.raises(ValueError, match=r"stills is \(1, 9\); give values of slope, from 0 to 4"):
        plots.explore(draw_line, "A line.", stills=(1, 9), slope=(2, 0, 4, 1))


def test_the_stills_of_explore_are_those_that_the_page_speaks_of(monkeypatch):
    drawn = []

    def draw(slope, ax):
        drawn.append(slope)
        return draw_line(slope, ax)

    plots.explore(draw, "A line.", stills=(1, 3.5), slope=(2.0, 0.0, 4.0, 0.5))
    assert drawn == [2.0, 1.0, 3.5]
    plots.explore(draw, "A line.", slope=(2.0, 0.0, 4.0, 0.5))
    assert drawn[3:] == [2.0, 0.0, 2.0, 4.0]


def shown(figure):
    return [ax.images[0].get_array() for ax in figure.axes if ax.images]


def test_images_are_shown_with_their_normalisation_undone():
    x = torch.rand(5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    normalised = (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    figure = plots.show_images(normalised, mean=mean, std=std, columns=3, titles=list("abcde"))
    for picture, original in zip(shown(figure), x, strict=True):
        np.testing.assert_allclose(picture, original.permute(1, 2, 0), atol=1e-6)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b", "c", "d", "e", ""]
    assert not any(ax.axison for ax in figure.axes)


def test_pil_images_bytes_and_floats_show_the_same_picture():
    x = torch.randint(256, (3, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    image = Image.fromarray(x.permute(1, 2, 0).numpy())
    first, *others = shown(plots.show_images([image, x, x / 255]))
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6)
    assert len(plots.show_images([image, image]).axes) == 2


@pytest.mark.parametrize("image", [
    Image.fromarray(np.full((2, 2), 32_896, dtype=np.uint16)),
    Image.fromarray(np.full((2, 2), 32_896, dtype=np.int32))])
def test_a_picture_of_16_bits_is_grey_not_white(image):
    (picture,) = shown(plots.show_images([image]))
    np.testing.assert_allclose(picture, 128 / 255)


def test_a_palette_with_transparency_is_shown_in_silence():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.info["transparency"] = bytes([0, 128])
    (picture,) = shown(plots.show_images([image]))
    assert picture[0, 0].tolist() == [1, 0, 0]


def test_what_lies_outside_is_clipped_and_grey_pictures_are_grey():
    (picture,) = shown(plots.show_images([torch.tensor([[[-3.0, 0.25, 7.0]]])]))
    assert picture.tolist() == [[0.0, 0.25, 1.0]]


@pytest.mark.parametrize(("images", "options", "sentence"), [
    (torch.zeros(3, 4, 4), {}, "a single picture"),
    ([], {}, "images is empty"),
    ([torch.zeros(4, 4, 3)], {}, r"shape \(4, 4, 3\); it must be \(C, H, W\)"),
    ([torch.full((3, 2, 2), torch.nan)], {}, "not finite"),
    (torch.zeros(2, 3, 4, 4), {"titles": ["one"]}, "titles has 1 entries for 2 pictures"),
    (torch.zeros(2, 3, 4, 4), {"mean": [0.5] * 3}, "mean and std belong together"),
    (torch.zeros(2, 3, 4, 4), {"mean": [0.5], "std": [0.5]}, "mean has 1 values and std 1"),
    (torch.zeros(2, 3, 4, 4), {"columns": 0}, "columns is 0"),
])
def test_what_is_no_picture_is_named(images, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        plots.show_images(images, **options)
    assert plt.get_fignums() == []


def test_images_of_another_kind_are_named():
    with pytest.raises(TypeError, match="images holds a str"):
        plots.show_images(["ant.jpg"])


def test_a_schedule_is_plotted_as_the_optimiser_would_meet_it():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.25, total_iters=3)
    line, = plots.plot_schedule(warm_up, steps=5).lines
    assert line.get_xdata().tolist() == [0, 1, 2, 3, 4]
    assert line.get_ydata().tolist() == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5])
    assert weight.item() == 1.0
