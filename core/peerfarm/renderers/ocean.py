"""Render frames of a sea at sunset: `python -I -S ocean.py ORDER.json`. Standard library only, a PNG each.

The water is a sum of waves of a wind sea over a perspective grid, walked from the camera to the horizon so that near
crests hide what is behind them. Along a row of the grid each wave is a geometric series of complex numbers, which
`itertools.accumulate` runs at C speed; that makes a small frame cost a fraction of a second in pure Python.
"""

from __future__ import annotations

import json
import math
import os
import random
import struct
import sys
import time
import zlib
from array import array
from cmath import exp as cexp
from collections.abc import Iterator, Sequence
from itertools import accumulate, repeat
from operator import mul
from pathlib import Path
from typing import Any

Colour = tuple[float, float, float]
Wave = tuple[float, float, float, float, float]
"""Numbers of the wave along x and z (radians a metre), radians a second, metres high, phase."""

FRAMES_PER_SECOND = 24.0
CAMERA_M = 5.0
"""Above the still water."""
HORIZON = 0.42
"""Of the picture's height, from the top."""
SUN_AZIMUTH, SUN_ELEVATION = 0.13, 0.105
"""Radians right of the middle and above the horizon."""
WIND = -1.25
"""Radians: the waves come towards the camera, a little from the left."""
GRAVITY = 9.81
SHARPNESS = 0.22
"""How much crests are narrower than troughs; 0 for sines."""
ROWS_PER_MARK = 24

DEEP: Colour = (0.006, 0.034, 0.052)
CREST: Colour = (0.030, 0.190, 0.165)
FOAM: Colour = (0.62, 0.46, 0.38)
HAZE: Colour = (0.66, 0.27, 0.12)


def mark(event: str, **values: Any) -> None:
    """Print one line for the reader on the other side of the pipe."""
    sys.stdout.write("PEERFARM " + json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def wind_sea(seed: int) -> list[Wave]:
    """The waves of one sea, longest first; the same for every frame of a job."""
    choose = random.Random(seed)  # noqa: S311 - beauty, not secrecy
    waves = []
    length_m = 38.0
    while length_m > 0.55:
        number = 2 * math.pi / length_m
        angle = WIND + choose.gauss(0.0, 0.30 if length_m > 8 else 0.75)
        height_m = 0.0105 * length_m * choose.uniform(0.75, 1.25) * (1.0 if length_m < 20 else 0.75)
        speed = math.sqrt(GRAVITY * number)
        waves.append(
            (number * math.cos(angle), number * math.sin(angle), speed, height_m, choose.uniform(0, 2 * math.pi))
        )
        length_m *= choose.uniform(0.66, 0.76)
    return waves


def series(first: complex, ratio: complex, count: int) -> Iterator[complex]:
    """`count` terms of a geometric series."""
    return accumulate(repeat(ratio, count - 1), mul, initial=first)


def mix(a: Colour, b: Colour, amount: float) -> Colour:
    """The colour between two others."""
    return (a[0] + (b[0] - a[0]) * amount, a[1] + (b[1] - a[1]) * amount, a[2] + (b[2] - a[2]) * amount)


def gradient(stops: Sequence[tuple[float, Colour]], count: int) -> list[Colour]:
    """A table of colours from 0 to 1."""
    table = []
    for at in range(count):
        where = at / (count - 1)
        lower = max((stop for stop in stops if stop[0] <= where), key=lambda stop: stop[0])
        upper = min((stop for stop in stops if stop[0] >= where), key=lambda stop: stop[0])
        width = upper[0] - lower[0]
        table.append(mix(lower[1], upper[1], (where - lower[0]) / width if width else 0.0))
    return table


SKY = gradient(
    [
        (0.0, (0.86, 0.30, 0.10)),
        (0.03, (0.82, 0.34, 0.13)),
        (0.09, (0.50, 0.29, 0.20)),
        (0.18, (0.20, 0.22, 0.30)),
        (0.32, (0.075, 0.14, 0.28)),
        (0.60, (0.025, 0.07, 0.19)),
        (1.0, (0.012, 0.035, 0.11)),
    ],
    512,
)
"""By the sine of the elevation."""


def glow_table(disc: float) -> list[Colour]:
    """What the sun adds to the sky by (1 + cosine of the angle to it) / 2; `disc` is the brightness of its disc."""
    table = []
    for at in range(4097):
        cosine = max(0.0, at / 2048 - 1)
        wide, near = cosine**9, cosine**90
        core = cosine**700
        sun = disc * min(1.0, max(0.0, (cosine - 0.99925) / 0.0004))
        table.append(
            (
                0.16 * wide + 0.40 * near + 0.9 * core + sun,
                0.045 * wide + 0.16 * near + 0.55 * core + sun * 0.85,
                0.008 * wide + 0.03 * near + 0.22 * core + sun * 0.5,
            )
        )
    return table


GLOW = glow_table(3.0)
GLITTER = [
    (r + 5.0 * s, g + 3.4 * s, b + 1.7 * s)
    for (r, g, b), s in zip(glow_table(0.0), [max(0.0, at / 2048 - 1) ** 420 for at in range(4097)], strict=True)
]
"""The glow in the water's mirror: the sun is drawn wider, for ripples too small for the grid spread it."""

FRESNEL = [0.02 + 0.98 * (1 - math.sqrt(at / 1024)) ** 5 for at in range(1026)]
"""Share of light that water mirrors, by the squared cosine of the angle of sight."""


def film(value: float) -> int:
    """The screen's brightness of a light: soft in the highlights, 0 to 255."""
    value *= 0.92
    value = value * (2.51 * value + 0.03) / (value * (2.43 * value + 0.59) + 0.14)
    return min(255, int(255.0 * min(1.0, value) ** 0.4545 + 0.5))


FILM = [film(at / 256) for at in range(2049)]
"""By light times 256, up to 8."""


def blend(near: int, far: int, share: int) -> int:
    """A packed colour, `share` of 256 parts of it `far`."""
    rest = 256 - share
    return ((near & 0xFF00FF) * rest + (far & 0xFF00FF) * share >> 8) & 0xFF00FF | (
        (near & 0xFF00) * rest + (far & 0xFF00) * share >> 8
    ) & 0xFF00


class Picture:
    """One frame being rendered.

    Attributes:
        pixels: 0xRRGGBB row by row.
    """

    def __init__(self, width: int, height: int, seed: int, frame: int) -> None:
        self.width, self.height = width, height
        self.time_s = frame / FRAMES_PER_SECOND
        self.waves = wind_sea(seed)
        self.seed = seed
        self.focal = max(width, height) * 0.95
        self.horizon = height * HORIZON
        self.pixels = array("I", bytes(4 * width * height))
        flat = math.cos(SUN_ELEVATION)
        self.sun = (math.sin(SUN_AZIMUTH) * flat, math.sin(SUN_ELEVATION), math.cos(SUN_AZIMUTH) * flat)
        self.columns = [(x + 0.5 - width / 2) / self.focal for x in range(width)]

    def rows_of_sky(self) -> list[int]:
        """The rows that may show sky, from the top."""
        return list(range(min(self.height, int(self.horizon) + 2)))

    def clouds(self, row: int) -> list[float]:
        """How thick the clouds are along a row, 0 to 1."""
        rise = max(0.35, self.horizon - row) / self.focal
        far = 1.0 / (rise + 0.035)
        choose = random.Random(self.seed + 7)  # noqa: S311 - beauty, not secrecy
        sums = [0j] * self.width
        fade = min(1.0, rise * 9.0)
        for octave in range(9):
            number = 0.34 * 1.55**octave
            angle = choose.gauss(math.pi / 2, 0.55)
            phase = choose.uniform(0, 2 * math.pi)
            kx, kz = number * math.cos(angle), number * math.sin(angle)
            strength = 1.0 / (1.0 + octave * 0.55) * (fade if octave > 4 else 1.0)
            start = kx * self.columns[0] * far + kz * far + phase + self.time_s * 0.018 * number
            step = kx * far / self.focal
            sums = [
                total + term
                for total, term in zip(
                    sums, series(strength * cexp(1j * start), cexp(1j * step), self.width), strict=True
                )
            ]
        return [min(1.0, max(0.0, total.real * 0.42 + 0.02)) for total in sums]

    def draw_sky(self, row: int) -> None:
        """One row of sky."""
        rise = max(0.0, self.horizon - row - 0.5) / self.focal
        sun_x, sun_y, sun_z = self.sun
        base = row * self.width
        pixels = self.pixels
        for x, (u, cloud) in enumerate(zip(self.columns, self.clouds(row), strict=True)):
            shrink = 1.0 / math.sqrt(1.0 + u * u + rise * rise)
            red, green, blue = SKY[int(511 * rise * shrink)]
            angle = (u * sun_x + rise * sun_y + sun_z) * shrink
            glow_r, glow_g, glow_b = GLOW[int(2048 + 2048 * angle)]
            if cloud:
                lit = 0.30 + 0.9 * glow_r
                red += (lit * 0.95 + 0.20 - red) * cloud * 0.6
                green += (lit * 0.58 + 0.19 - green) * cloud * 0.6
                blue += (lit * 0.40 + 0.24 - blue) * cloud * 0.6
                veil = 1.0 - 0.35 * cloud
                glow_r, glow_g, glow_b = glow_r * veil, glow_g * veil, glow_b * veil
            pixels[base + x] = (
                FILM[min(2048, int(256 * (red + glow_r)))] << 16
                | FILM[min(2048, int(256 * (green + glow_g)))] << 8
                | FILM[min(2048, int(256 * (blue + glow_b)))]
            )

    def depths(self) -> list[float]:
        """How far away the rows of the water's grid lie, metres, nearest first; a pixel apart on still water."""
        below = (self.height - self.horizon) * 1.45
        count = int(below)
        return [self.focal * CAMERA_M / (below - row) for row in range(count)]

    def surface(self, far: float) -> tuple[list[float], list[float]]:
        """Heights of the water along a row of the grid and its slopes away from the camera."""
        step = far / self.focal
        footprint = far * far / (self.focal * CAMERA_M)
        tops, slopes = [], []
        for kx, kz, speed, height, phase in self.waves:
            blur = footprint * abs(kz) * 0.35
            height /= 1.0 + blur * blur  # noqa: PLW2901 - waves finer than the grid fade out
            if height * kz * kz < 1e-5 and height < 1e-3:
                continue
            start = cexp(1j * (kx * self.columns[0] * far + kz * far - speed * self.time_s + phase)) * height
            ratio = cexp(1j * kx * step)
            tops.append(series(start, ratio, self.width))
            slopes.append(series(start * 1j * kz, ratio, self.width))
        if not tops:
            return [0.0] * self.width, [0.0] * self.width
        return [sum(terms).real for terms in zip(*tops, strict=True)], [
            sum(terms).real for terms in zip(*slopes, strict=True)
        ]

    def draw_water(self, far: float, skyline: list[float]) -> None:  # noqa: PLR0915 - a call a pixel doubles its cost
        """One row of the grid, where nothing nearer hides it; `skyline` is the topmost pixel drawn in each column."""
        width, pixels, columns, horizon = self.width, self.pixels, self.columns, self.horizon
        sun_x, sun_y, sun_z = self.sun
        scale = self.focal / far
        drop = CAMERA_M / far
        drop2 = 1.0 + drop * drop
        heights, slopes = self.surface(far)
        half = scale * 0.5
        haze = 1.0 - math.exp(-far / 1100.0)
        haze_r, haze_g, haze_b = (part * haze for part in HAZE)
        clear = 1.0 - haze
        left = heights[0]
        heights.append(heights[-1])
        for x in range(width):
            height = heights[x]
            slope_x = (heights[x + 1] - left) * half
            left = height
            lift = height * (1.0 + SHARPNESS * height)
            top = horizon + scale * (CAMERA_M - lift)
            bottom = skyline[x]
            if top >= bottom:
                continue
            first, last = int(top), int(bottom)
            if first == last:
                continue
            skyline[x] = top
            slope_z = slopes[x] * (1.0 + 2 * SHARPNESS * height)
            u = columns[x]
            steep = 1.0 + slope_x * slope_x + slope_z * slope_z
            facing = -slope_x * u - drop - slope_z
            if facing > -0.02:  # noqa: PLR1730 - a comparison costs a third of min()
                facing = -0.02
            shrink = 1.0 / (drop2 + u * u)
            mirrored = FRESNEL[int(1024 * facing * facing * shrink / steep)]
            turn = 2 * facing / steep
            shrink = math.sqrt(shrink)
            rise = (-drop - turn) * shrink
            angle = ((u + turn * slope_x) * sun_x + (1.0 + turn * slope_z) * sun_z) * shrink + rise * sun_y
            if rise < 0:
                rise = -rise
            red, green, blue = SKY[int(511 * rise)]
            glow_r, glow_g, glow_b = GLITTER[int(2048 + 2047 * angle)]
            body = 1.0 - mirrored
            crest = 0.30 + height * 0.55 - slope_z * 0.8
            crest = body * (crest if crest > 0.0 else 0.0)  # noqa: FURB136 - as above
            red = (red + glow_r) * mirrored + DEEP[0] * body + CREST[0] * crest
            green = (green + glow_g) * mirrored + DEEP[1] * body + CREST[1] * crest
            blue = (blue + glow_b) * mirrored + DEEP[2] * body + CREST[2] * crest
            foam = (height - 0.55) * 0.9 + (steep - 1.16) * 2.2
            if foam > 0.0 and height > 0.35:
                foam = foam if foam < 0.75 else 0.75  # noqa: FURB136 - as above
                red += (FOAM[0] - red) * foam
                green += (FOAM[1] - green) * foam
                blue += (FOAM[2] - blue) * foam
            colour = (
                FILM[min(2048, int(256 * (red * clear + haze_r)))] << 16
                | FILM[min(2048, int(256 * (green * clear + haze_g)))] << 8
                | FILM[min(2048, int(256 * (blue * clear + haze_b)))]
            )
            for place in range(max(0, first) * width + x, last * width + x, width):
                pixels[place] = colour
            if last < self.height:
                place = last * width + x
                pixels[place] = blend(pixels[place], colour, int(256 * (bottom - last)))

    def draw(self, frame: int) -> None:
        """The whole picture, telling how far it is."""
        sky, depths = self.rows_of_sky(), self.depths()
        total = len(sky) + len(depths)
        for row in sky:
            self.draw_sky(row)
            if row % ROWS_PER_MARK == 0:
                mark("rows", frame=frame, done=row, of=total)
        skyline = [float(self.height)] * self.width
        for at, far in enumerate(depths):
            self.draw_water(far, skyline)
            if at % ROWS_PER_MARK == 0:
                mark("rows", frame=frame, done=len(sky) + at, of=total)


def png(width: int, height: int, pixels: array[int]) -> bytes:
    """The PNG file of a picture."""
    if sys.byteorder == "big":
        pixels = array("I", pixels)
        pixels.byteswap()
    packed = pixels.tobytes()
    raw = bytearray(3 * width * height)
    raw[0::3], raw[1::3], raw[2::3] = packed[2::4], packed[1::4], packed[0::4]
    lines = b"".join(b"\0" + raw[at : at + 3 * width] for at in range(0, len(raw), 3 * width))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 6)) + chunk(b"IEND", b"")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is never seen half written."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def main() -> None:
    """Render every frame of the order."""
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for frame, name in order["frames"]:
        started_s = time.monotonic()
        picture = Picture(order["width"], order["height"], order["seed"], frame)
        picture.draw(frame)
        path = Path(order["directory"]) / name
        data = png(picture.width, picture.height, picture.pixels)
        time.sleep(max(0.0, order["seconds_per_frame"] - (time.monotonic() - started_s)))
        write_whole(path, data)
        mark("written", frame=frame, path=str(path))


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        mark("error", message=f"a frame could not be written: {error}")
        sys.exit(1)
