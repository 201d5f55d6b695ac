"""The 27 models of the zoo against their oracles, the whole road from source to session, as the project is judged.

MILLIJOULE_FULL=1 gives the quick ones as many inputs as they are judged by, up to 200 each.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from zoo_models import MODELS, Zoo, judge, missing

FULL = os.environ.get("MILLIJOULE_FULL") == "1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


def test_all_are_there() -> None:
    assert len({model.file for model in MODELS}) == 27


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_accuracy(model: Zoo, folder: Path) -> None:
    if reason := missing(model):
        pytest.skip(reason)
    inputs = model if FULL else replace(model, seeds=min(model.seeds, 40))
    assert not judge(inputs, folder).problems()
