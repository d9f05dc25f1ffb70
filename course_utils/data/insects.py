"""Drawn ants and bees, for use where there are no photos: generated from a seed, without any photo.

What belongs here: the drawing. An insect is built in its own coordinates, one body length long,
head towards +x, then turned, scaled and put on a blurred background. Background, light, size and
pose have the same distribution for both kinds. The difference is in the body: an ant has three
parts with a thin waist, elbowed antennae and long thin legs, while a bee is stout and furry. Bands
and wings are only hints: most bees show both, but some ants have them, and on some bees they can
hardly be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

__all__ = ["draw"]

Colour = tuple[int, int, int]
Points = np.ndarray  # (n, 2)

GROUNDS = np.array([(92, 128, 58), (58, 92, 44), (134, 148, 84), (150, 122, 88), (110, 86, 62),
                    (186, 170, 140), (148, 148, 144), (196, 150, 168), (204, 178, 84),
                    (214, 210, 200), (122, 140, 166)])
ANT_COLOURS = np.array([(34, 26, 22), (52, 34, 24), (92, 46, 24), (128, 62, 28), (158, 100, 44)])
BEE_FUR = np.array([(176, 124, 48), (150, 104, 50), (204, 156, 62), (110, 82, 50), (70, 56, 42)])
BEE_BANDS = np.array([(214, 158, 48), (188, 126, 36), (228, 186, 84), (150, 104, 48), (96, 66, 38)])
BEE_DARK = np.array([(30, 24, 20), (48, 34, 24), (64, 44, 28)])

SHARPER = 2  # drawn this much larger, then reduced, which smooths the edges
_COS, _SIN = (f(np.linspace(0, 2 * np.pi, 28, endpoint=False)) for f in (np.cos, np.sin))
COARSER = 6  # the background is drawn this much smaller, then enlarged, which blurs it


def draw(rng: np.random.Generator, *, bee: bool, size: int) -> Image.Image:
    """Draw one insect.

    Args:
        rng: the source of everything random in the picture.
        bee: whether it is a bee rather than an ant.
        size: the height in pixels; the width is a quarter larger.

    Returns:
        An RGB image.
    """
    width, height = size * 5 // 4, size
    length = height * rng.uniform(0.25, 1.0)
    turn = rng.uniform(0, 2 * np.pi)
    centre = np.array([width, height]) * rng.uniform(0.3, 0.7, 2)
    flat = rng.uniform(0.75, 1.0)  # seen slightly from the side

    picture = _background(rng, width, height, centre, length)
    place = _Place(ImageDraw.Draw(picture, "RGBA"), SHARPER * length, SHARPER * centre, turn, flat)
    (_bee if bee else _ant)(place, rng)
    if rng.random() < 0.35:
        _blade(place.pen, rng, picture.size, _shade(_pick(rng, GROUNDS[:3]), rng.uniform(0.6, 1.2)))
    return _lit(rng, picture.reduce(SHARPER))


@dataclass(frozen=True)
class _Place:
    """Where an insect sits: maps its own coordinates to pixels, and draws shapes given in them."""

    pen: ImageDraw.ImageDraw
    length: float
    centre: Points
    turn: float
    flat: float

    def pixels(self, points: Points) -> list[tuple[float, float]]:
        x, y = self.length * np.asarray(points, dtype=float).T
        y = self.flat * y
        c, s = np.cos(self.turn), np.sin(self.turn)
        return list(zip((self.centre[0] + c * x - s * y).tolist(),
                        (self.centre[1] + s * x + c * y).tolist(), strict=True))

    def shape(self, points: Points, colour: tuple[int, ...]) -> None:
        self.pen.polygon(self.pixels(points), fill=colour)

    def line(self, points: Points, width: float, colour: tuple[int, ...]) -> None:
        self.pen.line(self.pixels(points), fill=colour, width=max(1, round(width * self.length)),
                      joint="curve")

    def part(self, x: float, y: float, rx: float, ry: float, colour: Colour, *,
             tilt: float = 0.0) -> None:
        """A round part of the body: a dark rim, a colour, and light from one side."""
        light = np.array([np.cos(-self.turn - 2.2), np.sin(-self.turn - 2.2)])
        for shrink, tone in ((1.0, 0.62), (0.88, 1.0), (0.6, 1.22), (0.3, 1.5)):
            shift = (1 - shrink) * 0.7 * light * (rx, ry)
            self.shape(_ellipse(x + shift[0], y + shift[1], rx * shrink, ry * shrink, tilt),
                       _shade(colour, tone))


def _ant(place: _Place, rng: np.random.Generator) -> None:
    colour = _shade(_pick(rng, ANT_COLOURS), rng.uniform(0.8, 1.2))
    gaster = _shade(colour, rng.choice([0.6, 0.8, 1.0]))
    dark = _shade(colour, 0.75)
    stout = rng.uniform(0.9, 1.25)

    _legs(place, rng, hips=(0.0, 0.07, 0.13), knee=0.17, foot=0.36, width=0.02, colour=dark)
    for side in (-1, 1):  # antennae with an elbow
        elbow = (0.44 + 0.04 * rng.random(), side * (0.12 + 0.06 * rng.random()))
        tip = (0.56 + 0.1 * rng.random(), side * (0.06 + 0.16 * rng.random()))
        place.line([(0.34, side * 0.03), elbow, tip], 0.016, dark)
    for side in (-1, 1):  # jaws
        place.line([(0.36, side * 0.05), (0.42, side * 0.035), (0.44, 0.0)], 0.018, dark)

    bend = rng.uniform(-0.1, 0.1)
    place.part(-0.33, bend, 0.19, 0.125 * stout, gaster, tilt=-0.5 * bend)
    if rng.random() < 0.3:  # some ants are banded too
        _bands(place, -0.33, bend, 0.19, 0.125 * stout, _shade(gaster, 1.7), n=3, alpha=130)
    place.part(-0.12, 0.3 * bend, 0.035, 0.035, colour)
    place.part(0.04, 0.0, 0.13, 0.06 * stout, colour)
    place.part(0.12, 0.0, 0.07, 0.065 * stout, colour)
    place.part(0.28, 0.0, 0.095, 0.09 * stout, colour)
    for side in (-1, 1):
        place.shape(_ellipse(0.3, side * 0.07 * stout, 0.02, 0.016), (12, 10, 10))
    if rng.random() < 0.12:  # ants have wings during their mating flight
        _wings(place, rng, spread=rng.uniform(0.1, 1.0), veil=rng.uniform(40, 120))


def _bee(place: _Place, rng: np.random.Generator) -> None:
    fur = _shade(_pick(rng, BEE_FUR), rng.uniform(0.8, 1.2))
    dark = _pick(rng, BEE_DARK)
    stout = rng.uniform(0.85, 1.15)

    _legs(place, rng, hips=(0.04, 0.12, 0.18), knee=0.18, foot=0.27, width=0.035, colour=dark)
    for side in (-1, 1):
        elbow = (0.42, side * (0.06 + 0.03 * rng.random()))
        tip = (0.47 + 0.05 * rng.random(), side * (0.1 + 0.05 * rng.random()))
        place.line([(0.36, side * 0.03), elbow, tip], 0.02, dark)

    bend = rng.uniform(-0.06, 0.06)
    rx, ry = 0.27, 0.165 * stout
    place.part(-0.24, bend, rx, ry, dark, tilt=-0.5 * bend)
    _bands(place, -0.24, bend, rx, ry, _pick(rng, BEE_BANDS), n=rng.integers(3, 6),
           alpha=int(rng.uniform(20, 255)))
    place.part(0.32, 0.0, 0.075, 0.11, dark)
    for side in (-1, 1):
        place.part(0.33, side * 0.085, 0.055, 0.038, (34, 26, 30), tilt=side * 0.5)
    place.part(0.12, 0.0, 0.145, 0.135 * stout, fur)
    _fur(place, rng, 0.12, 0.0, 0.14, 0.13 * stout, fur)

    _wings(place, rng, spread=rng.uniform(0.1, 1.0), veil=rng.uniform(10, 120))


def _wings(place: _Place, rng: np.random.Generator, *, spread: float, veil: float) -> None:
    """Two pairs, folded back (``spread`` 0) to held out (1), with opacity ``veil`` of 255."""
    rim = int(60 + 0.8 * veil)
    for side in (-1, 1):
        root = np.array([0.12, side * 0.06])
        for reach, breadth, lag in ((0.44, 0.085, 0.0), (0.32, 0.064, 0.2)):
            angle = side * (np.pi - (1 - lag) * spread)

            def along(angle: float, reach: float, root: Points = root) -> Points:
                return root + reach * np.array([np.cos(angle), np.sin(angle)])

            wing = _ellipse(*along(angle, 0.5 * reach), 0.5 * reach, breadth, angle)
            place.shape(wing, (226, 226, 216, int(veil)))
            place.line([*wing, wing[0]], 0.006, (70, 54, 40, rim))
            for vein in (-0.12, 0.1):
                place.line([root, along(angle + vein, 0.85 * reach)], 0.005, (70, 54, 40, rim))


def _legs(place: _Place, rng: np.random.Generator, *, hips: tuple[float, ...], knee: float,
          foot: float, width: float, colour: Colour) -> None:
    """Three pairs: the hind legs point backward, the front legs forward."""
    for side in (-1, 1):
        for hip, lean in zip(hips, (-0.9, -0.1, 0.75), strict=True):
            lean = lean + rng.uniform(-0.2, 0.2)
            joint = np.array([hip + knee * np.sin(lean), side * (0.05 + knee * np.cos(lean))])
            lean = lean + np.sign(lean) * rng.uniform(0.0, 0.4)
            rest = foot - knee + 0.08
            end = joint + rest * np.array([np.sin(lean), side * np.cos(lean)])
            toe = end + 0.07 * np.array([np.sign(lean) * 0.9, side * 0.4])
            place.line([(hip, 0.0), tuple(joint)], 1.3 * width, colour)
            place.line([tuple(joint), tuple(end), tuple(toe)], 0.8 * width, colour)


def _bands(place: _Place, x: float, y: float, rx: float, ry: float, colour: Colour, *, n: int,
           alpha: int) -> None:
    """Bands across a part, curved like the hoops of a barrel."""
    u = np.linspace(-1, 1, 15)
    for at in np.linspace(-0.6, 0.75, n):
        half = 0.42 / n
        edges = []
        for along in (at - half, at + half):
            across = 0.93 * np.sqrt(max(0.0, 1 - along**2)) * u
            edges.append(np.column_stack([x + rx * (along - 0.12 * (1 - u**2)), y + ry * across]))
        place.shape(np.concatenate([edges[0], edges[1][::-1]]), (*colour, alpha))


def _fur(place: _Place, rng: np.random.Generator, x: float, y: float, rx: float, ry: float,
         colour: Colour) -> None:
    hairs = 90
    angle, root = rng.uniform(0, 2 * np.pi, hairs), np.sqrt(rng.uniform(0.2, 1.0, hairs))
    out = np.column_stack([rx * np.cos(angle), ry * np.sin(angle)])
    start, end = ((x, y) + out * reach[:, None] for reach in (root, root + 0.2))
    for a, b, tone in zip(place.pixels(start), place.pixels(end), rng.uniform(0.7, 1.45, hairs),
                          strict=True):
        place.pen.line([a, b], fill=_shade(colour, tone), width=max(1, round(0.008 * place.length)))


def _background(rng: np.random.Generator, width: int, height: int, centre: Points,
                length: float) -> Image.Image:
    """Ground, leaves, stones and petals out of focus, and the insect's shadow."""
    w, h = width // COARSER, height // COARSER
    base = _shade(_pick(rng, GROUNDS), rng.uniform(0.7, 1.15))
    small = Image.new("RGB", (w, h), base)
    pen = ImageDraw.Draw(small, "RGBA")
    for _ in range(rng.integers(3, 14)):
        colour = _shade(_pick(rng, GROUNDS), rng.uniform(0.5, 1.2))
        if rng.random() < 0.4:
            _blade(pen, rng, (w, h), colour)
        else:
            shape = _ellipse(rng.uniform(0, w), rng.uniform(0, h), rng.uniform(2, w / 4),
                             rng.uniform(2, h / 5), rng.uniform(0, np.pi))
            pen.polygon(shape.ravel().tolist(), fill=(*colour, int(rng.uniform(60, 220))))
    shadow = _ellipse(*(centre / COARSER + 2), 0.38 * length / COARSER, 0.16 * length / COARSER,
                      rng.uniform(0, np.pi))
    pen.polygon(shadow.ravel().tolist(), fill=(10, 12, 10, 70))
    grain = rng.normal(0, rng.uniform(2, 12), (h, w, 1))
    small = Image.fromarray((np.asarray(small) + grain).clip(0, 255).astype(np.uint8))
    smooth = small.filter(ImageFilter.BoxBlur(0.7)).resize((width, height),
                                                           Image.Resampling.BILINEAR)
    return smooth.resize((SHARPER * width, SHARPER * height), Image.Resampling.NEAREST)


def _blade(pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int],
           colour: Colour) -> None:
    """A blade of grass from edge to edge."""
    w, h = size
    ends = np.array([(rng.uniform(0, w), -5), (rng.uniform(0, w), h + 5)])
    bow = ends.mean(axis=0)
    bow[0] += rng.uniform(-0.2, 0.2) * w
    pen.line([tuple(ends[0]), tuple(bow), tuple(ends[1])], fill=(*colour, 235),
             width=max(1, int(w * rng.uniform(0.01, 0.045))), joint="curve")


def _lit(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Add uneven light, a colour cast and the camera's grain, and sometimes blur the picture."""
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 3.5)))
    cast = rng.uniform(0.7, 1.4) * rng.uniform(0.92, 1.08, 3)
    picture = picture.point(np.outer(cast, range(256)).clip(max=255).astype(int).ravel().tolist())
    corners = rng.uniform(150, 255, (2, 2)).astype(np.uint8)
    light = Image.fromarray(corners).resize(picture.size, Image.Resampling.BILINEAR)
    picture = ImageChops.multiply(picture, Image.merge("RGB", [light] * 3))
    x, y = rng.integers(0, 64, 2).tolist()
    grain = _grain(picture.size).crop((x, y, x + picture.width, y + picture.height))
    return ImageChops.add(picture, grain, offset=-128)


@cache
def _grain(size: tuple[int, int]) -> Image.Image:
    noise = np.random.default_rng(0).normal(128.5, 5, (size[1] + 64, size[0] + 64))
    return Image.merge("RGB", [Image.fromarray(noise.astype(np.uint8))] * 3)


def _ellipse(x: float, y: float, rx: float, ry: float, tilt: float = 0.0) -> Points:
    u, v = rx * _COS, ry * _SIN
    c, s = np.cos(tilt), np.sin(tilt)
    return np.column_stack([x + c * u - s * v, y + s * u + c * v])


def _pick(rng: np.random.Generator, colours: np.ndarray) -> Colour:
    return tuple(colours[rng.integers(len(colours))].tolist())


def _shade(colour: Colour, tone: float) -> Colour:
    return tuple(min(255, int(c * tone)) for c in colour)
