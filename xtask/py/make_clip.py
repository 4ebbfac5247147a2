"""Synthesised sentences in noise, with silences between them.

    make_clip.py SPEECH.wav SPEECH.txt

The WAV file is 16 kHz, mono, 16 bits. The text file has a line `start end` (seconds) for
each sentence: where its sound rises above the silence espeak-ng puts around it.
"""

import pathlib
import subprocess
import sys
import wave

import numpy as np

RATE = 16000
SENTENCES = [
    ("en-us", 150, "The kiln is hot, and the clay is ready."),
    ("en-gb", 170, "A model file becomes an ordinary function."),
    ("de", 160, "Heute wird nichts zur Laufzeit geladen."),
    ("en-us", 140, "One, two, three, four, five."),
]
GAPS = [1.5, 2.0, 1.2, 2.5, 1.5]
NOISE = 0.004


def speak(voice, speed, text):
    """The sentence at 16 kHz, cut to where it sounds."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text]
    said = subprocess.run(command, check=True, capture_output=True).stdout
    # To a pipe, espeak-ng cannot write the true length into the header.
    header, samples = said[:44], np.frombuffer(said[44 : len(said) // 2 * 2], "<i2")
    rate = int.from_bytes(header[24:28], "little")
    times = np.arange(0, len(samples) / rate, 1 / RATE)
    sound = np.interp(times, np.arange(len(samples)) / rate, samples / 32768)
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1] + 1]


def main():
    rng = np.random.default_rng(5)
    pieces, intervals, at = [np.zeros(int(GAPS[0] * RATE))], [], int(GAPS[0] * RATE)
    for sentence, gap in zip(SENTENCES, GAPS[1:]):
        sound = speak(*sentence)
        sound *= 0.5 / np.abs(sound).max()
        intervals.append((at / RATE, (at + len(sound)) / RATE))
        pieces += [sound, np.zeros(int(gap * RATE))]
        at += len(sound) + int(gap * RATE)
    clip = np.concatenate(pieces)
    clip += room_noise(len(clip), rng)

    with wave.open(sys.argv[1], "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((clip.clip(-1, 1) * 32767).astype("<i2").tobytes())
    lines = "".join(f"{start:.3f} {end:.3f}\n" for start, end in intervals)
    pathlib.Path(sys.argv[2]).write_text(lines)
    print(f"{sys.argv[1]}: {len(clip) / RATE:.1f} s, {len(intervals)} sentences", file=sys.stderr)


def room_noise(n, rng):
    """Hiss, more of it at low frequencies, and mains hum."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.sqrt(1 + frequencies / 200), n)
    hum = np.sin(2 * np.pi * 50 * np.arange(n) / RATE)
    return NOISE * (noise / noise.std() + 0.3 * hum)


if __name__ == "__main__":
    main()
