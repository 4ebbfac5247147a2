"""Sounds made from nothing but a seed: a voice-like vowel, for the speech models."""

import numpy as np

# First three formants (Hz) of "a", "e", "i", "o" in a man's voice.
VOWELS = [(730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410)]


def voice(rate, seconds, seed):
    """Mono f32 samples: a pulse train through formant resonators, some breath noise."""
    rng = np.random.default_rng(seed)
    n = int(rate * seconds)
    pitch = 120 + 15 * np.sin(2 * np.pi * 3 * np.arange(n) / rate)
    phase = np.cumsum(pitch / rate)
    source = np.diff(np.floor(phase), prepend=0.0) + 0.01 * rng.standard_normal(n)
    out = np.zeros(n)
    segment = n // len(VOWELS)
    for i, formants in enumerate(VOWELS):
        part = slice(i * segment, n if i == len(VOWELS) - 1 else (i + 1) * segment)
        for formant in formants:
            if formant < rate / 2:
                out[part] += resonator(source[part], formant, rate)
    out /= np.abs(out).max()
    return (0.6 * out + 0.005 * rng.standard_normal(n)).astype(np.float32)


def resonator(x, frequency, rate, width=90):
    """A two-pole filter ringing at the frequency."""
    radius = np.exp(-np.pi * width / rate)
    a1, a2 = 2 * radius * np.cos(2 * np.pi * frequency / rate), -radius * radius
    y = np.zeros(len(x) + 2)
    for i, sample in enumerate(x):
        y[i + 2] = sample + a1 * y[i + 1] + a2 * y[i]
    return y[2:] * (1 - radius)
