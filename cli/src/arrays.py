"""Arrays between kiln and Python: `.npy` files, and `.json` files for strings. What uses it stands below."""

import json
import os

import numpy


def load(path):
    """The array in `path`, whose ending is left out."""
    if os.path.exists(path + ".npy"):
        return numpy.load(path + ".npy")
    with open(path + ".json", encoding="utf-8") as file:
        value = json.load(file)
    return numpy.array(value["texts"], dtype=object).reshape(value["shape"])


def save(path, array):
    """Writes an array to `path`, whose ending is left out."""
    array = numpy.asarray(array)
    if array.dtype.kind in "OSU":
        with open(path + ".json", "w", encoding="utf-8") as file:
            json.dump({"shape": array.shape, "texts": [str(text) for text in array.ravel()]}, file)
    else:
        # ascontiguousarray makes a scalar a vector of one.
        numpy.save(path + ".npy", array if array.ndim == 0 else numpy.ascontiguousarray(array))


