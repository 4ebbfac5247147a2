"""Pictures of printed text made from nothing but a seed, for the OCR models."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LINES = [
    "kiln: a model file",
    "becomes a function",
    "No. 4711  12,50 EUR",
    "Quick brown fox 0123",
    "ISO 9001 / 25 MHz",
    "hello, world",
]


def normalised(picture):
    """RGB u8 [h, w, 3] as PP-OCR wants it: f32 [3, h, w] in -1..1."""
    return ((picture.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)


def page(height, width, seed):
    """A page: shaded paper, lines of text of several sizes and colours, sensor noise."""
    rng = np.random.default_rng(seed)
    shade = np.linspace(225, 250, width)[None, :, None] - np.linspace(0, 20, height)[:, None, None]
    picture = Image.fromarray(np.broadcast_to(shade, (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    y = 16
    for text in LINES:
        size = int(rng.integers(18, 34))
        if y + size > height - 8:
            break
        ink = tuple(int(c) for c in rng.integers(0, 110, 3))
        draw.text((int(rng.integers(8, 40)), y), text, fill=ink, font=ImageFont.load_default(size))
        y += size + int(rng.integers(14, 30))
    return with_noise(picture, rng)


def line(width, text, seed, upside_down=False):
    """One line of text, 48 pixels high, cut as the detector would cut it."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (width, 48), (238, 236, 230))
    ImageDraw.Draw(picture).text((6, 6), text, fill=(20, 24, 40), font=ImageFont.load_default(30))
    if upside_down:
        picture = picture.rotate(180)
    return with_noise(picture, rng)


def with_noise(picture, rng):
    noisy = np.asarray(picture, np.float32) + rng.normal(0, 4, (picture.height, picture.width, 3))
    return noisy.clip(0, 255).astype(np.uint8)
