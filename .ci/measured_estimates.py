"""Compares predictions with measurements of models on this computer, once `mj profiles --measure` has run on it.

Needs an idle computer. MODEL is a file, and behind it what its inputs are: FILE[:INPUT=SIZExSIZE | :INPUT=@NUMBER ...].
No model is among what `--measure` times. A model with symbolic shapes that are not given, or that cannot be run, is
named and left out. An input on whose number the model's steps depend is given as @NUMBER.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

import numpy as np

from millijoule import Error, InputError
from millijoule.device_profiles import load as load_profile
from millijoule.loading import open_model
from millijoule.tools.estimate.estimate import estimate
from millijoule.tools.models.feeds import random_inputs
from millijoule.tools.models.sources import concrete_shapes, load

SECONDS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    paths = parser.parse_args().models
    profile = load_profile()
    if not profile.kernels:
        print("there is no measured profile of this computer: run `mj profiles --measure` first")
        return 2
    errors = []
    for path in paths:
        try:
            predicted, measured = compare(path)
        except Error as problem:
            print(f"{path}: left out: {str(problem).splitlines()[0]}")
            continue
        errors.append(abs(predicted / measured - 1))
        print(
            f"{path}: predicted {1e6 * predicted:.1f} us, measured {1e6 * measured:.1f} us, {predicted / measured:.3f}"
        )
    within = sum(error <= 0.1 for error in errors)
    print(f"within 10 %: {within} of {len(errors)} models; median error {100 * float(np.median(errors)):.1f} %")
    return 0 if within >= 0.9 * len(errors) else 1


def compare(argument: str) -> tuple[float, float]:
    """(predicted, measured) seconds of one inference on one thread."""
    path, *given = argument.split(":")
    named = dict(shape.split("=", 1) for shape in given)
    model = open_model(path)
    if unknown := named.keys() - model.inputs.keys():
        raise InputError(f"it has no input {', '.join(sorted(unknown))}, but {', '.join(model.inputs)}")
    known = {
        name: np.array(float(text[1:]), model.inputs[name].dtype) for name, text in named.items() if text[0] == "@"
    }
    sizes = {name: tuple(map(int, text.split("x"))) for name, text in named.items() if name not in known}
    shapes = concrete_shapes(model, sizes)
    predicted = estimate(model, shapes, load_profile(), 1, known).seconds
    feeds = random_inputs(model, shapes, 0) | known
    with load(model, 1) as session:
        session.run(feeds)
        times: list[float] = []
        until = time.perf_counter() + SECONDS
        while len(times) < 5 or time.perf_counter() < until:
            for name, array in feeds.items():
                session.inputs[name][...] = array
            began = time.perf_counter()
            session.invoke()
            times.append(time.perf_counter() - began)
    return predicted, float(np.median(times))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
