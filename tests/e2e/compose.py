"""A small compositor for tests.

`compose.py comp LOGO INPUTS OUTPUT FRAMES` turns the colors of `f_####.png` in INPUTS round and adds the logo;
`compose.py sheet LOGO INPUTS OUTPUT FRAMES` puts all pictures in INPUTS side by side, with the logo over them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageChops


def comp(logo: Image.Image, inputs: Path, output: Path, frames: list[int]) -> None:
    """One picture a frame."""
    for frame in frames:
        with Image.open(inputs / f"f_{frame:04d}.png") as image:
            done = ImageChops.invert(image.convert("RGB"))
        done.paste(logo, (4, 4))
        done.save(output / f"c_{frame:04d}.png")


def sheet(logo: Image.Image, inputs: Path, output: Path, frames: list[int]) -> None:
    """One picture of all."""
    found = [Image.open(path) for path in sorted(inputs.iterdir())]
    done = Image.new("RGB", (sum(image.width for image in found), found[0].height))
    at = 0
    for image in found:
        done.paste(image, (at, 0))
        at += image.width
    done.paste(logo, (0, 0))
    done.save(output / f"s_{frames[0]:04d}.png")


if __name__ == "__main__":
    mode, logo_name, *places, numbers = sys.argv[1:]
    with Image.open(logo_name) as opened:
        {"comp": comp, "sheet": sheet}[mode](opened.convert("RGB"), *map(Path, places), [*map(int, numbers.split(","))])
