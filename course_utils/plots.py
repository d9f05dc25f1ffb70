"""Figures of the course, all in the same style.

What belongs here: pictures of losses, beliefs and results. Each function draws on the ``ax`` it is
given, or on a new figure, and returns the Axes; none changes matplotlib's global state. ``show``
puts a figure and the sentence that describes it on the page, and ``explore`` a figure with sliders.

Colours follow Okabe and Ito (2008); dashes or markers change with them, so that a figure can be
read in grey. Each loss keeps its colour through the whole course (``LOOK``).
"""

from __future__ import annotations

import base64
import functools
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image
from sklearn.metrics import confusion_matrix
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from .arrays import as_array, as_runs
from .losses import sigmoid_focal_loss
from .metrics import _pr_curve, belief, calibration_error, reliability

if TYPE_CHECKING:
    from .training import History

__all__ = ["LOOK", "STYLE", "explore", "plot_answers", "plot_belief_map", "plot_clouds",
           "plot_confusion_matrix", "plot_gains", "plot_history", "plot_hits", "plot_intervals",
           "plot_loss_curves", "plot_pr_curve", "plot_reliability", "plot_runs", "plot_schedule",
           "show", "show_images"]

#: The course's style. The functions below use it; a notebook calls plt.style.use(plots.STYLE).
STYLE = Path(__file__).with_name("course.mplstyle")

#: The colour and dash of each loss, wherever it is drawn.
LOOK = {
    "cross entropy": dict(color="#0072B2", linestyle="-"),
    "weighted": dict(color="#CC79A7", linestyle=":"),
    "focal": dict(color="#D55E00", linestyle="--"),
    "alpha": dict(color="#8F3A00", linestyle=(0, (1, 1.2))),  # focal loss with an alpha
    "smoothing": dict(color="#009E73", linestyle="-."),
    "soft F1": dict(color="#E69F00", linestyle=(0, (8, 2))),
    "absolute error": dict(color="#555555", linestyle=(0, (5, 1, 1, 1, 1, 1))),
    "squared error": dict(color="black", linestyle=(0, (1, 3))),
    "softmax twice": dict(color="#777777", linestyle=(0, (3, 1, 1, 1))),
}

# For what is not a loss: colours of Paul Tol's "muted" set that no loss has, with marks and dashes.
_OTHERS = (dict(color="#882255", marker="o", linestyle="-"),
           dict(color="#44AA99", marker="s", linestyle="--"),
           dict(color="#332288", marker="^", linestyle="-."),
           dict(color="#999933", marker="D", linestyle=":"))

_LARGEST_TEXT, _SMALLEST_TEXT = 15, 7  # points, in the cells of a confusion matrix

P = ParamSpec("P")
R = TypeVar("R")


def _in_style(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in the course's style and leave everybody else's alone."""
    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with plt.style.context(STYLE):
            return draw(*args, **kwargs)
    return styled


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax


def show(figure: Figure | Axes, sentence: str) -> None:
    """Put a figure on the page, with a sentence that describes it, and close the figure.

    Args:
        figure: the figure, or one of its Axes.
        sentence: the caption; also the alternative text for a screen reader, and the text that a
            terminal prints.

    Raises:
        ValueError: the sentence is empty.
    """
    if isinstance(figure, Axes):
        figure = figure.figure.figure  # of a subfigure, the whole
    _display({"image/png": base64.b64encode(_png(figure)).decode()}, sentence)


def explore(draw: Callable[..., Axes], sentence: str, *, stills: Sequence[float] | None = None,
            **sliders: tuple[float, float, float, float]) -> None:
    """Put a figure with sliders on the page, and still pictures where sliders cannot work.

    While a kernel runs, moving a slider redraws the figure. On GitHub, on paper and in a notebook
    without a kernel, a row of still pictures takes its place, one for each of a few values of the
    first slider.

    Args:
        draw: takes the sliders' values by name and ``ax``, the Axes to draw on.
        sentence: as in :func:`show`; it describes the row of pictures.
        stills: the values of the first slider that the row shows. Include the value that the text
            discusses. ``None`` for both ends and the middle of the range.
        sliders: name to ``(value, lowest, highest, step)``.

    Raises:
        ValueError: there is no slider, a value or a still is outside its range, or the sentence is
            empty.

    For example ``explore(draw_focal, "...", stills=(0, 2, 5), gamma=(2.0, 0.0, 5.0, 0.5))``.
    """
    import ipywidgets

    for name, (value, lowest, highest, _) in sliders.items():
        if not lowest <= value <= highest:
            raise ValueError(f"{name} is {value}; its slider runs from {lowest} to {highest}, and "
                             "the value must lie between them")
    if not sliders:
        raise ValueError("explore needs at least one slider, such as gamma=(2.0, 0.0, 5.0, 0.5)")
    first, (_, lowest, highest, _) = next(iter(sliders.items()))
    stills = ((lowest, (lowest + highest) / 2, highest) if stills is None
              else tuple(as_array(stills).tolist()))
    if not len(stills) or not all(lowest <= value <= highest for value in stills):
        raise ValueError(f"stills is {stills}; give values of {first}, from {lowest} to {highest}")

    def picture(**values: float) -> bytes:
        with plt.style.context(STYLE):
            figure, ax = plt.subplots()
            draw(**values, ax=ax)
        return _png(figure)

    controls = {name: ipywidgets.FloatSlider(
        value=value, min=lowest, max=highest, step=step, description=name.replace("_", " "),
        continuous_update=False) for name, (value, lowest, highest, step) in sliders.items()}
    values = {name: slider.value for name, slider in controls.items()}
    image = ipywidgets.Image(value=picture(**values), format="png")

    def redraw(_: object) -> None:
        image.value = picture(**{name: slider.value for name, slider in controls.items()})

    for slider in controls.values():
        slider.observe(redraw, names="value")
    box = ipywidgets.VBox([*controls.values(), image])

    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, len(stills), figsize=(3.7 * len(stills), 3.7), sharey=True,
                                    squeeze=False)
        for ax, value in zip(axes[0], stills, strict=True):
            draw(**(values | {first: float(value)}), ax=ax)
            ax.set_title(f"{first.replace('_', ' ')} = {value:g}")
            ax.label_outer()
            if legend := ax.get_legend():  # a third of the width leaves it less room
                plt.setp([*legend.get_texts(), legend.get_title()], fontsize=10)
    view = {"model_id": box.model_id, "version_major": 2, "version_minor": 0}
    _display({"application/vnd.jupyter.widget-view+json": view,
              "image/png": base64.b64encode(_png(figure)).decode()}, sentence)


def _png(figure: Figure) -> bytes:
    raw, picture = io.BytesIO(), io.BytesIO()
    with plt.style.context(STYLE):
        _fit_matrices(figure)
        figure.savefig(raw, format="png", metadata={"Software": None},
                       pil_kwargs={"compress_level": 1})  # fast, since it is read again below
    plt.close(figure)
    # 256 colours are plenty for lines and bands, and make the file a third as large.
    Image.open(raw).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        picture, format="png")
    return picture.getvalue()


def _display(bundle: dict[str, object], sentence: str) -> None:
    from IPython import get_ipython
    from IPython.display import Markdown, display

    sentence = " ".join(sentence.split())
    if not sentence:
        raise ValueError("the sentence is empty; describe what the figure shows")
    if get_ipython() is None:
        print(sentence)
        return
    display(bundle | {"text/plain": sentence}, raw=True, metadata={"image/png": {"alt": sentence}})
    display(Markdown(f"*{sentence}*"))


@_in_style
def plot_belief_map(losses: Mapping[str, Callable[[Tensor, Tensor], Tensor]], *,
                    mark: float | None = None, ax: Axes | None = None) -> Axes:
    """Plot what each loss makes an ideal model believe, against the true probability.

    Args:
        losses: name to loss, as :func:`course_utils.metrics.belief` takes it. A name that starts
            with a key of ``LOOK`` gets the colour and dash of that key.
        mark: a true probability in ``[0, 1]``; the legend shows each loss's belief there.
        ax: where to draw; ``None`` for a new figure.
    """
    ax = _axes(ax)
    mark = None if mark is None else float(as_array(mark))
    eta = torch.linspace(0, 1, 201, dtype=torch.float64)
    ax.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="-", zorder=1)
    for name, loss_fn in losses.items():
        label = f"{name}: {belief(loss_fn, mark).item():.2f}" if mark is not None else name
        ax.plot(eta, belief(loss_fn, eta), label=label, **_look(name))
    if mark is not None:
        ax.axvline(mark, color="#999999", linewidth=1, linestyle="-", zorder=1)
    ax.set(xlabel=r"true probability $\eta$", ylabel=r"belief $p^*(\eta)$", xlim=(0, 1),
           ylim=(-0.02, 1.02))
    title = None if mark is None else rf"belief at $\eta$ = {mark:g}"
    ax.legend(title=title, alignment="left", loc="lower right")  # few curves pass there
    return ax


@_in_style
def plot_loss_curves(*, gammas: Sequence[float] = (0, 0.5, 1, 2, 5), gradient: bool = False,
                     ax: Axes | None = None) -> Axes:
    """Plot focal loss against ``p_t``, one curve per gamma; a larger gamma is darker.

    Args:
        gammas: each ``>= 0``; 0 is cross entropy, and 2 the usual focal loss. These two get their
            colour and dash from ``LOOK``.
        gradient: plot the size of the slope with respect to the logit of the true class instead,
            ``(1 - p_t)^gamma (1 - p_t - gamma p_t ln p_t)``.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: ``gammas`` is empty or holds a negative number.
    """
    gammas = as_array(gammas).tolist()
    if not gammas:
        raise ValueError("gammas is empty; give at least one, such as gammas=(0, 2)")
    p_t = torch.linspace(0.002, 0.998, 499, dtype=torch.float64)
    logits = p_t.logit().requires_grad_()
    orange = plt.get_cmap("Oranges")
    lighter = iter(orange(np.linspace(0.4, 0.55, sum(0 < g < 2 for g in gammas))))
    darker = iter(orange(np.linspace(1, 0.9, sum(g > 2 for g in gammas))[::-1]))
    dashes = itertools.cycle([(0, (1, 1.2)), "-.", (0, (6, 1, 1, 1, 1, 1))])
    ax = _axes(ax)
    for gamma in sorted(gammas):
        loss = sigmoid_focal_loss(logits, torch.ones_like(logits), gamma=gamma, reduction="none")
        slope, = torch.autograd.grad(loss.sum(), logits)
        if gamma in (0, 2):
            look = LOOK["cross entropy" if gamma == 0 else "focal"]
        else:
            look = dict(color=next(lighter if gamma < 2 else darker), linestyle=next(dashes))
        ax.plot(p_t, slope.abs() if gradient else loss.detach(), **look,
                label=f"γ = {gamma:g}{' (cross entropy)' if gamma == 0 else ''}")
    ax.set(xlabel="probability $p_t$ of the true class", xlim=(0, 1),
           ylabel="size of the slope (per unit of logit)" if gradient else "loss (nats)",
           ylim=(0, None) if gradient else (0, 5))
    ax.legend()
    return ax


def _look(name: str) -> dict:
    return next((dict(look) for key, look in LOOK.items() if name.startswith(key)), {})


@_in_style
def plot_confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, *,
                          class_names: Sequence[str] | None = None, normalize: str | None = None,
                          sample_weight: ArrayLike | None = None, ax: Axes | None = None) -> Axes:
    """Plot the counts of true class (rows) against predicted class (columns).

    The shade of a cell is its share of the row, so that rare classes are as visible as frequent
    ones. Where the numbers do not fit into the cells, they are left out.

    Args:
        y_true, y_pred: class indices ``(N,)``.
        class_names: one per class, in the order of the indices; ``None`` shows the indices.
        normalize: ``None`` for counts; ``"true"``, ``"pred"`` or ``"all"`` for shares of the row,
            of the column, or of everything.
        sample_weight: ``(N,)``; the counts are then sums of weights.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: ``y_true`` or ``y_pred`` does not hold class indices, ``normalize`` is unknown,
            or a class has no name in ``class_names``.
    """
    y_true, y_pred = as_array(y_true), as_array(y_pred)
    for name, y in (("y_true", y_true), ("y_pred", y_pred)):
        if not y.size or y.dtype.kind not in "biuf" or (y < 0).any() or (y % 1 != 0).any():
            raise ValueError(f"{name} must hold class indices 0, 1, ..., and at least one of them "
                             "(turn probabilities into decisions first, with prob >= threshold; "
                             "pass names as class_names)")
    if normalize not in (None, "true", "pred", "all"):
        raise ValueError(f'normalize is {normalize!r}; it must be "true", "pred", "all" or None')
    top = int(max(y_true.max(), y_pred.max(), 1))
    names = [str(c) for c in range(top + 1)] if class_names is None else list(class_names)
    if top >= len(names):
        raise ValueError(f"class {top} has no name: class_names has {len(names)}, and it needs "
                         f"{top + 1}")
    table = confusion_matrix(y_true, y_pred, labels=range(len(names)), normalize=normalize,
                             sample_weight=None if sample_weight is None
                             else as_array(sample_weight))
    of_its_row = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)
    whole = np.array_equal(table, table.round()) or table.max() >= 10
    form = "{:.1%}" if normalize else "{:,.0f}" if whole else "{:.2f}"
    written = np.vectorize(form.format)(table)
    ax = _axes(ax)
    figure = ax.figure.figure
    visible = figure.get_visible()
    figure.set_visible(False)  # seaborn would draw everything only to check the labels
    sns.heatmap(of_its_row, vmin=0, vmax=1, cmap="Blues", cbar=False, square=True,
                xticklabels=names, yticklabels=names, ax=ax)
    figure.set_visible(visible)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.tick_params(rotation=0)
    ax.spines[:].set_visible(True)
    ax.collections[-1].set_label(_MATRIX)
    _write_in_cells(ax, written)
    _fit_matrices(figure)
    return ax


_MATRIX = "_confusion matrix"  # marks the artists; legends ignore a label with this beginning


def _fit_matrices(figure: Figure) -> None:
    """Fit names and numbers again: a further matrix or a long label makes the cells smaller."""
    matrices = [ax for ax in figure.axes
                if any(mesh.get_label() == _MATRIX for mesh in ax.collections)]
    for ax in matrices:
        _fit_names(ax)
    for ax in matrices:
        _fit_numbers(ax)


def _write_in_cells(ax: Axes, written: np.ndarray) -> None:
    """Write a text into each cell of a heatmap if all of them fit."""
    middle = len(written) / 2
    first = ax.text(middle, middle, max(written.flat, key=len), label=_MATRIX)
    fits = _fit_numbers(ax)
    if not fits:
        return
    first.remove()
    mesh = ax.collections[-1]
    mesh.update_scalarmappable()
    for (row, column), colour in zip(np.ndindex(written.shape), mesh.get_facecolors(),
                                     strict=True):
        dark = sns.utils.relative_luminance(colour) <= 0.408
        ax.text(column + 0.5, row + 0.5, written[row, column], ha="center", va="center",
                fontsize=_LARGEST_TEXT, color="w" if dark else ".15", label=_MATRIX)


def _fit_numbers(ax: Axes) -> bool:
    """Make the numbers in the cells as large as all of them fit, or remove them."""
    numbers = [text for text in ax.texts if text.get_label() == _MATRIX]
    if not numbers:
        return False
    longest = max(numbers, key=lambda text: len(text.get_text()))
    longest.set_fontsize(_LARGEST_TEXT)
    width, height = _cell(ax)
    box = longest.get_window_extent()
    size = _LARGEST_TEXT * min(1, 0.9 * width / box.width, 0.9 * height / box.height)
    for text in numbers:
        if size < _SMALLEST_TEXT:
            text.remove()
        else:
            text.set_fontsize(size)
    return size >= _SMALLEST_TEXT


def _fit_names(ax: Axes) -> None:
    """Keep the names of classes apart: upright where they are long, then smaller, then fewer."""
    for i, (axis, side) in enumerate([(ax.yaxis, "height"), (ax.xaxis, "width")]):
        if not axis.get_ticklabels():  # another of several Axes shows them
            continue
        if side == "width" and _largest(axis, side) > 0.95 * _cell(ax)[0]:
            axis.set_tick_params(rotation=90)
        cell = _cell(ax)[1 - i]
        size = axis.get_ticklabels()[0].get_fontsize()
        size = min(size, max(_SMALLEST_TEXT, 0.95 * size * cell / _largest(axis, side)))
        axis.set_tick_params(labelsize=size)
        step = int(np.ceil(_largest(axis, side) / cell - 0.01))
        if step > 1:
            names = [label.get_text() for label in axis.get_ticklabels()]
            axis.set_ticks(axis.get_ticklocs()[::step], names[::step])


def _largest(axis: Axis, side: str) -> float:
    return max(getattr(label.get_window_extent(), side) for label in axis.get_ticklabels())


def _cell(ax: Axes) -> tuple[float, float]:
    """Width and height of a heatmap's cell in pixels, once the figure has its layout."""
    ax.figure.figure.draw_without_rendering()
    corner, other = ax.transData.transform([(0, 0), (1, 1)])
    return abs(other[0] - corner[0]), abs(other[1] - corner[1])


@_in_style
def plot_history(history: History, *, columns: Sequence[str] | None = None,
                 ax: Axes | None = None) -> Axes:
    """Plot columns of a training history against the epoch, and mark the epoch that was kept.

    Args:
        history: the result of :func:`course_utils.training.fit`.
        columns: names of the columns to plot; ``None`` for the losses.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: no epoch was finished, or a column does not exist.
    """
    frame = history.frame
    if frame.empty:
        raise ValueError(f"the history is empty ({history.ended}); train for at least one epoch")
    columns = [c for c in frame if c.endswith("_loss")] if columns is None else list(columns)
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ValueError(f"columns holds {missing[0]!r}; the history has {', '.join(frame)}")
    ax = _axes(ax)
    for column, look in zip(columns, itertools.cycle(_OTHERS), strict=False):
        ax.plot(frame.index, frame[column], label=column.replace("_", " "), **look,
                markevery=max(1, len(frame) // 15))
    if history.best_epoch is not None:
        ax.axvline(history.best_epoch, color="#999999", linestyle=":", linewidth=1.5,
                   label=f"kept: epoch {history.best_epoch}")
    ax.set(xlabel="epoch", ylabel="loss (nats)" if all("loss" in c for c in columns) else "")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend()
    return ax


@_in_style
def plot_runs(runs: Mapping[str, ArrayLike], *, x: ArrayLike | None = None, band: bool = True,
              ax: Axes | None = None) -> Axes:
    """Plot the mean of several runs, with a band from the lowest to the highest.

    Args:
        runs: name to values ``(runs, steps)``, one row per seed. A name that starts with a key of
            ``LOOK`` gets the colour and dash of that key; other names get colours that no loss has.
        x: ``(steps,)``, the values on the horizontal axis; ``None`` for 1, 2, 3 and so on.
        band: whether to draw the bands.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: the values are not a table ``(runs, steps)``.

    >>> ax = plot_runs({"cross entropy": [[0.5, 0.8], [0.6, 0.9]]})
    >>> ax.lines[0].get_ydata()
    array([0.55, 0.85])
    """
    ax, others = _axes(ax), itertools.cycle(_OTHERS)
    for name, values in runs.items():
        values = as_array(values, dtype=float)
        if values.ndim != 2 or not values.size:
            raise ValueError(f"the runs of {name!r} have shape {values.shape}; they must be a "
                             "table (runs, steps)")
        steps = np.arange(1, values.shape[1] + 1) if x is None else as_array(x)
        look = _look(name) or dict(next(others))
        if len(steps) > 30:  # marks would hide the line
            look.pop("marker", None)
        line, = ax.plot(steps, values.mean(axis=0), label=name, **look)
        if band:
            ax.fill_between(steps, values.min(axis=0), values.max(axis=0), alpha=0.2,
                            color=line.get_color(), linewidth=0)
    ax.legend()
    return ax


@_in_style
def plot_schedule(scheduler: LRScheduler, steps: int, *, ax: Axes | None = None) -> Axes:
    """Plot the learning rate that each of the next steps would use. It makes these steps.

    Args:
        scheduler: a new one, which is used up by this. It is stepped after each step of its
            optimiser, whose parameters have no gradients yet and so stay as they are.
        steps: how many, ``>= 1``.
        ax: where to draw; ``None`` for a new figure.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> ax = plot_schedule(torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5), steps=4)
    >>> ax.lines[0].get_ydata().tolist()
    [1.0, 1.0, 0.5, 0.5]
    """
    ax, rates = _axes(ax), []
    for _ in range(steps):
        rates.append(float(scheduler.optimizer.param_groups[0]["lr"]))
        scheduler.optimizer.step()
        scheduler.step()
    ax.plot(range(steps), np.array(rates), color="black", linestyle="-")
    ax.set(xlabel="calls to scheduler.step() so far", ylabel="learning rate", xlim=(0, steps),
           ylim=(0, 1.05 * max(rates)))
    return ax


@_in_style
def plot_clouds(points: ArrayLike, labels: ArrayLike, *, classes: Sequence[int],
                ax: Axes | None = None) -> Axes:
    """Plot points of a plane, one mark per class, in units of the distance between the classes.

    The unit of both axes is the mean distance between the centres of the classes, and the origin is
    the mean of these centres. So clouds from different planes can be compared by eye, if their
    axes have the same limits.

    Args:
        points: ``(N, 2)``.
        labels: ``(N,)``, the class of each point.
        classes: which of them to show, two to four.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: shapes that do not fit, or a class without a point.

    >>> ax = plot_clouds([[0, 0], [0, 2], [4, 0], [4, 2]], [0, 0, 1, 1], classes=[0, 1])
    >>> ax.lines[1].get_xdata()
    array([0.5, 0.5])
    """
    points, labels, classes = as_array(points, dtype=float), as_array(labels), as_array(classes)
    if points.shape != (*labels.shape, 2) or not 2 <= len(classes) <= len(_OTHERS):
        raise ValueError(f"points has shape {points.shape}, labels {labels.shape}, and there are "
                         f"{len(classes)} classes; they must be (N, 2), (N,), and two to four")
    if missing := [c for c in classes if c not in labels]:
        raise ValueError(f"classes holds {missing[0]}, which no label is")
    centres = np.array([points[labels == c].mean(axis=0) for c in classes])
    unit = np.mean([np.linalg.norm(a - b) for a, b in itertools.combinations(centres, 2)])
    points = (points - centres.mean(axis=0)) / unit
    ax = _axes(ax)
    for c, look in zip(classes, _OTHERS, strict=False):
        cloud = points[labels == c]
        ax.plot(cloud[:, 0], cloud[:, 1], **(look | dict(linestyle="none")), alpha=0.5,
                markeredgecolor="white", label=f"class {c}")
    ax.set(xlabel="first direction", ylabel="second direction", aspect="equal")
    ax.legend()
    return ax


@_in_style
def plot_gains(gains: Mapping[str, tuple[ArrayLike, float]], *, ax: Axes | None = None) -> Axes:
    """Plot paired gains, one row for each comparison, from top to bottom.

    Grey dots are the pairs, a diamond is their mean, and a bar reaches two standard errors to each
    side of it.

    Args:
        gains: name to the gains ``(pairs,)`` and the standard error of their mean, as
            :func:`course_utils.metrics.paired_gain` returns them.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not gains:
        raise ValueError("gains is empty; give at least one comparison")
    ax = _axes(ax)
    for row, (pairs, error) in enumerate(gains.values()):
        pairs = as_array(pairs)
        ax.plot(pairs, [row] * len(pairs), "o", color="#999999")
        ax.errorbar(pairs.mean(), row, xerr=2 * float(as_array(error)), fmt="D",
                    color="black", capsize=5)
    ax.axvline(0, color="black", linewidth=1, linestyle="-", zorder=1)
    ax.set(xlabel="gain", yticks=range(len(gains)), yticklabels=list(gains))
    ax.set_ylim(len(gains) - 0.5, -0.5)
    return ax


@_in_style
def plot_intervals(intervals: Mapping[str, Mapping[str, Sequence[float]]], *, smallest: float,
                   xlabel: str = "effect", ax: Axes | None = None) -> Axes:
    """Plot intervals of effects, one row for each comparison, from top to bottom.

    A mark is the middle of an interval. The grey band holds the effects too small to count.

    Args:
        intervals: for each series, such as a number of seeds, the name of every comparison with
            the lower end, the middle and the upper end of its interval. Two series at most.
        smallest: the smallest effect that counts, ``> 0``.
        xlabel: what the effect is, and which direction is better for whom.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: there is nothing to draw or too much, or an interval is out of order.

    >>> ax = plot_intervals({"12 seeds": {"weighted": (-0.01, 0.02, 0.05)}}, smallest=0.01)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['weighted']
    """
    names = list(dict.fromkeys(name for rows in intervals.values() for name in rows))
    if not names or len(intervals) > 2:
        raise ValueError(f"intervals has {len(intervals)} series with {len(names)} comparisons; "
                         "give one series or two, with at least one comparison")
    ax = plt.subplots(figsize=(8, 0.62 * len(names) + 1.2))[1] if ax is None else ax
    ax.axvspan(-smallest, smallest, color="#EBEBEB", zorder=0)
    ax.axvline(0, color="black", linewidth=1, linestyle="-", zorder=1)
    looks = [dict(color="#777777", fmt="o", markerfacecolor="white"), dict(color="black", fmt="o")]
    looks = looks[-len(intervals):]
    for number, ((series, rows), look) in enumerate(zip(intervals.items(), looks, strict=True)):
        for row, ends in rows.items():
            low, middle, high = (float(as_array(end)) for end in ends)
            if not low <= middle <= high:
                raise ValueError(f"the interval of {row!r} is {ends}; give its lower end, its "
                                 "middle and its upper end")
            height = names.index(row) + (0.0 if len(intervals) == 1 else 0.36 * number - 0.18)
            ax.errorbar(middle, height, xerr=[[middle - low], [high - middle]], capsize=5,
                        label=series if row == next(iter(rows)) else None, **look)
    ax.set(yticks=range(len(names)), yticklabels=names, xlabel=xlabel)
    ax.set_ylim(len(names) - 0.5, -0.5)
    if len(intervals) == 2:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


@_in_style
def plot_hits(hits: Mapping[str, ArrayLike], n: int, *, ax: Axes | None = None) -> Axes:
    """Plot the accuracy of several methods, one row each from top to bottom, all judged on n cases.

    A dot is one run. The grey bar is Wilson's 95 % interval for the mean number of hits: how far
    the luck of the n cases may reach. It does not hold the luck of the runs, and it is not meant
    for comparing methods that were judged on the same cases.

    Args:
        hits: name to the number of right answers of each run, each from 0 to ``n``.
        n: the number of cases, at least 1.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: there is nothing to draw, or a number of hits is not between 0 and ``n``.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    Journal of the American Statistical Association 22 (1927).
    """
    if not hits:
        raise ValueError("hits is empty; give at least one method")
    ax = plt.subplots(figsize=(8, 0.45 * len(hits) + 0.9))[1] if ax is None else ax
    for row, (name, values) in enumerate(hits.items()):
        runs = np.atleast_1d(as_array(values))
        if not (len(runs) and (runs >= 0).all() and (runs <= n).all()):
            raise ValueError(f"hits[{name!r}] is {values!r}; it must hold numbers from 0 to {n}")
        share, luck = runs.mean() / n, 1.959964**2 / n  # SciPy's binomtest takes no mean of runs
        centre = (share + luck / 2) / (1 + luck)
        half = (luck * (share * (1 - share) + luck / 4)) ** 0.5 / (1 + luck)
        ax.plot([centre - half, centre + half], [row, row], color="#C8C8C8", linewidth=11,
                linestyle="-", solid_capstyle="butt")
        heights = row + 0.1 * (np.arange(len(runs)) - (len(runs) - 1) / 2)
        ax.plot(runs / n, heights, "o", color="black", markersize=4)
    ax.set(xlabel="accuracy", yticks=range(len(hits)), yticklabels=list(hits))
    ax.set_ylim(len(hits) - 0.5, -0.5)
    return ax


@_in_style
def plot_pr_curve(y_true: ArrayLike, prob: ArrayLike | Sequence[ArrayLike], *,
                  sample_weight: ArrayLike | None = None, label: str | None = None,
                  threshold: float | None = 0.5, ax: Axes | None = None) -> Axes:
    """Plot precision against recall over all thresholds; several runs give a mean and a band.

    Args:
        y_true: ``(N,)`` of 0 and 1.
        prob: ``(N,)``, or a sequence of such arrays, one per seed. Several are shown as the mean
            precision at each recall, with a band from the lowest to the highest.
        sample_weight: ``(N,)``, ``>= 0``; ``None`` for equal weights.
        label: the name in the legend, followed there by the average precision (mean and standard
            deviation over seeds). A name that starts with a key of ``LOOK`` gets the colour and
            dash of that key.
        threshold: each run's precision and recall at this threshold are marked; ``None`` for no
            mark.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: ``y_true`` holds no positive.
    """
    y_true = as_array(y_true)
    if not y_true.any():
        raise ValueError("y_true holds no positive; precision and recall need at least one")
    runs = (np.atleast_2d(as_array(prob)) if hasattr(prob, "__array__")
            else np.stack(as_runs(prob)))
    sample_weight = None if sample_weight is None else as_array(sample_weight)
    ax = _axes(ax)
    look = _look(label or "")
    grid = np.linspace(0, 1, 201)
    curves, scores = [], []
    for run in runs:
        precision, recall, _ = _pr_curve(y_true, run, sample_weight)
        curves.append(precision[::-1][np.searchsorted(recall[::-1], grid)])
        scores.append(-np.diff(recall) @ precision[:-1])  # as average_precision_score has it
    spread = f" ± {np.std(scores, ddof=1):.3f}" if len(scores) > 1 else ""
    name = f"{label + ', ' if label else ''}AP {np.mean(scores):.3f}{spread}"
    line, = ax.plot(grid, np.mean(curves, axis=0), label=name, **look)
    if len(curves) > 1:
        ax.fill_between(grid, np.min(curves, axis=0), np.max(curves, axis=0), alpha=0.2,
                        color=line.get_color(), linewidth=0)
    for run in runs if threshold is not None else []:
        counts = confusion_matrix(y_true, run >= threshold, labels=[0, 1],
                                  sample_weight=sample_weight)
        (_, false_positive), (missed, hit) = counts
        if hit:
            ax.plot(hit / (hit + missed), hit / (hit + false_positive), marker="o", markersize=7,
                    markeredgecolor="white", color=line.get_color(), linestyle="none", zorder=3)
    ax.set(xlabel="recall (share of the positives found)", xlim=(0, 1.01), ylim=(0, 1.03),
           ylabel="precision (share of the alarms\nthat are right)")
    ax.legend(loc="lower left")
    return ax


@_in_style
def plot_reliability(y_true: ArrayLike, prob: ArrayLike | Sequence[ArrayLike], *, bins: int = 10,
                     label: str | None = None, ax: Axes | None = None) -> Axes:
    """Plot how often something happens against its stated probability; several runs give a band.

    Below the diagonal the stated probabilities are too high (over-confident), and above it too low.
    The area of a mark grows with the share of the samples in its bin.

    Args:
        y_true: ``(N,)``; 0 and 1, or class indices.
        prob: ``(N,)`` or ``(N, C)``, as :func:`course_utils.metrics.calibration_error` takes it; or
            a sequence of such arrays, one per seed. Several are shown as the frequency over all
            seeds, with a band from the lowest to the highest.
        bins: the number of bins, of equal width, ``>= 1``. A bin with fewer than one sample in a
            hundred is not shown.
        label: the name in the legend, followed there by the expected calibration error in 15 bins
            (mean and standard deviation over seeds). A name that starts with a key of ``LOOK`` gets
            the colour and dash of that key.
        ax: where to draw; ``None`` for a new figure.
    """
    y_true, runs = as_array(y_true), as_runs(prob)
    share, stated, observed = np.stack([reliability(y_true, run, bins=bins) for run in runs],
                                       axis=1)
    errors = [calibration_error(y_true, run) for run in runs]
    shown = share.mean(axis=0) >= 0.01
    share, stated, observed = share[:, shown], stated[:, shown], observed[:, shown]
    weight = share.mean(axis=0)
    mean_stated, mean_observed = (np.nansum(share * v, axis=0) / share.sum(axis=0)
                                  for v in (stated, observed))
    ax = _axes(ax)
    spread = f" ± {np.std(errors, ddof=1):.3f}" if len(runs) > 1 else ""
    name = f"{label + ', ' if label else ''}ECE {np.mean(errors):.3f}{spread}"
    line, = ax.plot(mean_stated, mean_observed, label=name, **_look(label or ""))
    if len(runs) > 1:
        ax.fill_between(mean_stated, np.nanmin(observed, axis=0), np.nanmax(observed, axis=0),
                        alpha=0.2, color=line.get_color(), linewidth=0)
    ax.scatter(mean_stated, mean_observed, s=20 + 300 * weight, color=line.get_color(),
               edgecolor="white", zorder=3)
    ax.axline((0, 0), slope=1, color="#999999", linewidth=1, linestyle="-", zorder=1)
    kind = "right answers" if np.ndim(runs[0]) == 2 else "positives"
    ax.set(xlabel="mean stated probability", ylabel=f"share of {kind}", xlim=(0, 1.02),
           ylim=(0, 1.02))
    ax.legend()
    return ax


@_in_style
def plot_answers(losses: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
                 answers: Mapping[str, ArrayLike], truth: ArrayLike, *, lowest: float = 1e-3,
                 bins: int = 12, ax: Axes | None = None) -> Axes:
    """Plot the share of positives against the answer, with logarithmic axes, for rare positives.

    The dots are bins of answers, those of all runs together. The lines are the beliefs of the
    losses, from the answer to the true probability: where the dots of ideal models would lie.

    Args:
        losses: name to loss, as :func:`course_utils.metrics.belief` takes it. A name that starts
            with a key of ``LOOK`` gets the colour and dash of that key.
        answers: name to answers ``(runs, N)`` or ``(N,)``, for the same names.
        truth: ``(N,)``, outcomes of 0 and 1, or the true probabilities where they are known.
        lowest: where the axis of the answers begins, above 0; smaller answers are not shown.
        bins: the number of bins from ``lowest`` to 1, equally wide on the axis. A bin with fewer
            than 50 answers is not shown.
        ax: where to draw; ``None`` for a new figure.

    Raises:
        ValueError: answers and ``truth`` have different lengths.

    >>> loss = lambda z, y: torch.nn.functional.softplus(z) - y * z
    >>> ax = plot_answers({"cross entropy": loss}, {"cross entropy": [0.1] * 60}, [0.1] * 60)
    >>> ax.lines[0].get_ydata().round(2)
    array([0.1])
    """
    ax, truth = _axes(ax), as_array(truth, dtype=float)
    edges = np.geomspace(lowest, 1, bins + 1)
    eta = torch.sigmoid(torch.linspace(-16, 16, 641, dtype=torch.float64))
    for name, loss_fn in losses.items():
        runs = np.atleast_2d(as_array(answers[name], dtype=float))
        if runs.shape[1:] != truth.shape:
            raise ValueError(f"the answers of {name!r} have shape {runs.shape} and truth has "
                             f"{truth.shape}; they must be (runs, N) and (N,)")
        where = np.digitize(runs, edges)
        count, stated, true = (np.bincount(where.ravel(), values.ravel(), bins + 2)[1:-1]
                               for values in (np.ones_like(runs), runs,
                                              np.broadcast_to(truth, runs.shape)))
        full = count >= 50
        look = _look(name)
        ax.plot(stated[full] / count[full], true[full] / count[full], "o",
                color=look.get("color"))
        ax.plot(belief(loss_fn, eta), eta, label=name, **look)
    ax.set(xscale="log", yscale="log", xlim=(lowest, 1.1), ylim=(1e-4, 1.3),
           xlabel="answer (mean of a bin)", ylabel="share of positives")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(losses))
    return ax


@_in_style
def show_images(images: Sequence[Image.Image | Tensor] | Tensor, *,
                titles: Sequence[str] | None = None, mean: Sequence[float] | None = None,
                std: Sequence[float] | None = None, columns: int = 4) -> Figure:
    """Show a grid of pictures, row by row, after undoing the normalisation of tensors.

    Args:
        images: PIL images, or tensors: ``(N, C, H, W)``, or a sequence of ``(C, H, W)``, with 1 or
            3 channels, uint8 in 0..255 or floating point in 0..1. Values outside are clipped.
        titles: one per picture.
        mean, std: the values of the normalisation ``(x - mean) / std`` that the tensors went
            through, one per channel, such as ``backbone.mean`` and ``backbone.std``. PIL images are
            not normalised and are shown as they are.
        columns: pictures in a row, at least 1.

    Raises:
        TypeError: ``images`` holds something other than pictures.
        ValueError: there is no picture, or one has another shape or a value that is not finite; the
            number of ``titles`` is not that of the pictures; ``mean`` comes without ``std`` or not
            with one value per channel; ``columns`` is smaller than 1.
    """
    if (mean is None) != (std is None):
        raise ValueError("mean and std belong together; give both or neither")
    if columns < 1:
        raise ValueError(f"columns is {columns}; a row needs at least 1 picture")
    if isinstance(images, (Image.Image, Tensor)) and getattr(images, "ndim", 0) != 4:
        raise ValueError("images is a single picture; give a list of pictures, such as [image]")
    mean, std = (None if v is None else as_array(v, float) for v in (mean, std))
    titles = None if titles is None else list(titles)
    pictures = [_pixels(image, mean, std) for image in images]
    if not pictures:
        raise ValueError("images is empty; give at least one picture")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"titles has {len(titles)} entries for {len(pictures)} pictures")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(rows, columns, squeeze=False, layout="constrained",
                                figsize=(2.3 * columns, (2.3 if titles is None else 2.6) * rows))
    for ax in axes.flat:
        ax.set_axis_off()
    for i, (ax, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        if titles is not None:
            ax.set_title(titles[i], fontsize=11)
    return figure


def _pixels(image: Image.Image | Tensor, mean: np.ndarray | None,
            std: np.ndarray | None) -> np.ndarray:
    """A picture as ``(H, W, 3)`` or ``(H, W)`` in [0, 1]."""
    if isinstance(image, Image.Image):
        from .data.pictures import as_rgb, quietly

        with quietly():
            return np.asarray(as_rgb(image)) / 255
    if not isinstance(image, Tensor):
        raise TypeError(f"images holds a {type(image).__name__}; it must hold PIL images or "
                        "tensors (C, H, W)")
    if image.ndim != 3 or image.shape[0] not in (1, 3) or not image.numel():
        raise ValueError(f"images holds a tensor of shape {tuple(image.shape)}; it must be "
                         "(C, H, W) with 1 or 3 channels")
    x = image.detach().cpu().double() / (1 if image.is_floating_point() else 255)
    if mean is not None and std is not None:
        if not len(mean) == len(std) == len(x):
            raise ValueError(f"mean has {len(mean)} values and std {len(std)}; the pictures have "
                             f"{len(x)} channels")
        x = x * torch.tensor(std).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    if not x.isfinite().all():
        raise ValueError("images holds a value that is not finite and cannot be shown; look for "
                         "nan or inf in the pictures")
    return x.clamp(0, 1).movedim(0, -1).squeeze(-1).numpy()
