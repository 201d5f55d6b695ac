"""The 27 models of the zoo against their oracles, the whole road from source to session, as the project is judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoo_models import MODELS, Zoo, judge, missing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


def test_all_are_there() -> None:
    assert len({model.file for model in MODELS}) == 27


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_accuracy(model: Zoo, folder: Path) -> None:
    if reason := missing(model):
        pytest.skip(reason)
    assert not judge(model, folder).problems()
