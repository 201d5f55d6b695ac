"""What scikit-learn's converter writes gives what scikit-learn does, for several data sets each."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

from sklearn_models import TEXT, names, problem, text_problem


@pytest.mark.parametrize(("kind", "name"), list(names()), ids=lambda text: text.replace(" ", "_"))
def test_scikit_learn(kind: str, name: str) -> None:
    found = problem(kind, name)
    assert found is None, found


@pytest.mark.parametrize("name", TEXT)
def test_scikit_learn_on_text(name: str) -> None:
    found = text_problem(name)
    assert found is None, found
