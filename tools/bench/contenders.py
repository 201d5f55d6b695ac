"""What takes turns in a measurement: models, each with its settings, and other engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.errors import InputError
from ...runtime.session import load as load_session
from ..measure.ours import OURS, Ours
from ..measure.timing import Contender
from ..models.feeds import chosen_inputs
from ..models.sources import open_model
from ..peers.registry import PEERS, PeerError, available, missing, open_peer
from ..report.progress import CompileProgress
from .settings import Setting

if TYPE_CHECKING:
    from ...runtime.model import Model
    from ...runtime.session import Session


@dataclass(frozen=True)
class Inputs:
    """What is fed, as the options --input, --shape and --seed say."""

    files: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    seed: int = 0


@dataclass
class Entry:
    """One model with one setting, loaded and run once."""

    name: str
    path: str
    model: Model
    session: Session
    feeds: dict[str, np.ndarray]
    contender: Contender


@contextmanager
def opened(paths: Sequence[str], settings: Sequence[Setting], inputs: Inputs) -> Iterator[list[Entry]]:
    """Every model with every setting, the first of both first; closed with the block."""
    models = [(path, open_model(path)) for path in dict.fromkeys(paths)]
    with ExitStack() as stack:
        found = []
        for path, model in models:
            feeds = chosen_inputs(model, inputs.files, inputs.shapes, inputs.seed)
            for setting in settings:
                session = stack.enter_context(_load(model, setting))
                name = _name(path, setting, len(models), [each for each, _ in models])
                found.append(Entry(name, path, model, session, feeds, Ours(session, feeds, name)))
        yield found


def open_peers(
    source: str, feeds: Mapping[str, np.ndarray], threads: int, chosen: Sequence[str] = ()
) -> tuple[list[Contender], dict[str, str]]:
    """The peers that run the source, and why the others do not. chosen: names of those that are wanted; empty for all.
    InputError for a name that is none."""
    unknown = [name for name in chosen if name not in PEERS]
    if unknown:
        raise InputError(f"there is no peer '{unknown[0]}'; known are {', '.join(PEERS)}")
    usable, lacking = available(source), missing(source)
    unread = f"it does not read {Path(source).suffix} files"
    refused = {name: lacking.get(name, unread) for name in chosen if name not in usable}
    if not usable and not chosen:
        refused = lacking
    found: list[Contender] = []
    for name in usable:
        if chosen and name not in chosen:
            continue
        try:
            found.append(open_peer(name, source, feeds, threads))
        except PeerError as error:
            refused[name] = str(error)
    return found, refused


def _load(model: Model, setting: Setting) -> Session:
    return load_session(
        model, threads=setting.threads, profile=setting.profile, target=setting.target, kernels=setting.kernels,
        progress=CompileProgress(),
    )  # fmt: skip


def _name(path: str, setting: Setting, models: int, paths: Sequence[str]) -> str:
    if models == 1:
        return setting.name or OURS
    names = [Path(each).name for each in paths]
    own = Path(path).name
    shown = own if names.count(own) == 1 else path
    return f"{shown} {setting.name}".strip()
