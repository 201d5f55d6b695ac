"""Cascade: a session that asks a classifier, and the next one only where that is unsure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..engine.engine import Engine
from ..engine.feeds import Feeds
from ..engine.workspace import Plan
from ..errors import InputError
from ..file.metadata import named_as_source
from ..memory.memory import Memory
from ..memory.question import Question
from ..memory.shelf import Shelf, shelf_of
from ..model import Model
from ..session import Path, Session
from .answer import Answer
from .answers import CascadeAnswers
from .fed_rows import FedRows, Row, one_row
from .gate import Gate
from .model import CascadeModel

if TYPE_CHECKING:
    from ..vision.labels import Ranked
    from ..vision.preprocess import ImageLike


class Cascade(Session):
    """Several classifiers of the same classes, asked one after the other until one is sure of its answer.

    stages: models, sessions (whose models are taken) or paths of .mj files, in the order in which they are asked. gate:
    when a stage is sure, and whose answer counts where none is. memory: where answers are kept, to be looked up when
    the same is asked again; only confident ones are. threads, profile, target, kernels, verify, progress: as mj.load
    has them.

    All stages and the gate are one compiled program: between a stage, the gate and the next there is no Python. Inputs
    of one name that the stages take alike are one; where they differ, each stage's own is named '0/name', '1/name'. Of
    a batch, the rows are asked one by one, so that only those that are unsure go on to the next stage. Otherwise a
    cascade is a session: `invoke` runs one row, `outputs` then has its probabilities and the gate's record.
    ModelError where a stage is no classifier, or of other classes; InputError where the gate has another number of
    stages.
    """

    def __init__(
        self,
        stages: Sequence[Model | Session | Path],
        gate: Gate,
        memory: Memory | None = None,
        *,
        threads: int | None = None,
        profile: Path = "host",
        target: str | None = None,
        kernels: Path | None = None,
        verify: bool = True,
        progress: Callable[[int, int, str], None] | bool = True,
    ) -> None:
        if not isinstance(stages, Iterable) or isinstance(stages, Model | Session | str | bytes | os.PathLike):
            raise InputError("a cascade takes a list of stages, in the order in which they are asked")
        for what, given, wanted in (("gate", gate, Gate), ("memory", memory, Memory | None)):
            if not isinstance(given, wanted):
                raise InputError(f"{what}={given!r}: an mj.{what.capitalize()} is wanted")
        model = CascadeModel.of([_model(stage, verify) for stage in stages], gate, memory)
        self._begin(Engine(model, threads, profile, target, kernels, progress), model, memory)

    @staticmethod
    def of(engine: Engine, model: CascadeModel, memory: Memory | None) -> Cascade:
        """A cascade that was read from a file."""
        made = Cascade.__new__(Cascade)
        made._begin(engine, model, model.memory if memory is None else memory)
        return made

    def _begin(self, engine: Engine, model: CascadeModel, memory: Memory | None) -> None:
        shapes = one_row(model)
        plan = None if shapes is None else engine.whole(shapes, ())
        shelf = None if memory is None else shelf_of(memory, engine, CascadeAnswers(model, memory))
        self._start(engine, model, shelf, plan)

    def _start(self, engine: Engine, model: CascadeModel, shelf: Shelf | None, plan: Plan | None) -> None:
        super().__init__(engine, shelf)
        self._cascade = model
        self._rows = FedRows(model)
        self._row_plan = plan
        self._costs: tuple[Plan, list[int]] | None = None

    @property
    def model(self) -> CascadeModel:
        """The stages and the gate, with the metadata of the first stage."""
        return self._cascade

    @property
    def gate(self) -> Gate:
        """When a stage is sure, and whose answer counts where none is."""
        return self._cascade.gate

    @property
    def stages(self) -> Sequence[Model]:
        """The models, in the order in which they are asked."""
        return self._cascade.stages

    @overload  # type: ignore[override]
    def run(self, feeds: Feeds | Any, outputs: None = None) -> Answer: ...

    @overload
    def run(self, feeds: Feeds | Any, outputs: Sequence[str]) -> dict[str, np.ndarray]: ...

    def run(self, feeds: Feeds | Any, outputs: Sequence[str] | None = None) -> Answer | dict[str, np.ndarray]:
        """Answers for arrays by input name, or for the array of the only input: one Answer, of numbers where one row
        was fed and of arrays where several were.

        outputs: as Session.run, which then gives arrays by name, of all stages and of one row.
        InputError on a wrong name, shape or dtype, and where inputs of one name are not the same to all stages.
        """
        if outputs is not None:
            self._check_open()
            rows = self._rows.split(feeds)
            if len(rows) != 1:
                raise InputError(f"outputs= looks into the run of one row, and {len(rows)} are given: feed one of them")
            return super().run(rows[0], outputs)
        self._check_open()
        shelf = self._shelf
        if shelf is None:
            found = [self._compute_row(row)[0] for row in self._rows.split(feeds)]
        elif self._rows.may_be_one(feeds):
            # Looked up before it is checked: what does not fit was never answered.
            question = shelf.question(feeds)
            if question is None:
                found = [self._recall(row, shelf) for row in self._rows.split(feeds)]
            else:
                known = shelf.find(question)
                if known is not None:
                    return known
                found = [self._ask(question, shelf)]
        else:
            found = [self._recall(row, shelf) for row in self._rows.split(feeds)]
        return found[0] if len(found) == 1 else _together(found, self._classes)

    def forget(self, feeds: Feeds | Any) -> bool:
        """As Session.forget, of every row."""
        self._check_open()
        rows, shelf = self._rows.split(feeds), self._shelf
        return shelf is not None and sum(shelf.forget(shelf.ask(row)) for row in rows) > 0

    def prepare(self, image: ImageLike, *, input: str | None = None) -> dict[str, np.ndarray]:
        """What to feed for an image, prepared for each stage as that wants it: cascade.run(cascade.prepare("cat.jpg")).

        image, input and errors: as Session.prepare.
        """
        from ..vision.preprocess import image_input, image_name, takes_image

        model = self._cascade
        if input is not None:
            names = [model.input_name(input)]
        else:
            names = [name for name, info in model.inputs.items() if takes_image(info)]
        return {name: image_input(model, name, image) for name in names or [image_name(model)]}

    def classify(self, image: ImageLike, top: int = 5, *, input: str | None = None) -> list[Ranked]:
        """The best classes of an image, the best first, by the probabilities of the stage whose answer it is."""
        from ..vision.labels import top_k

        answer = self.run(self.prepare(image, input=input))
        return top_k(answer.probabilities, top, self.model.metadata.labels)

    def clone(self) -> Cascade:
        """Another cascade on the same weights, code and memory, for another thread."""
        self._check_open()
        made = Cascade.__new__(Cascade)
        made._start(self._engine, self._cascade, self._shelf, self._row_plan)
        return made

    def save(self, path: Path) -> None:
        """Writes the stages, the gate and the memory's settings as one file, for mj.load; not what the memory holds,
        nor its path, nor the self-tests of the stages, which say nothing of the whole.

        ModelError where a graph is not sound, InputError where path is named as sources are, Error where it cannot be
        written: then nothing there changes.
        """
        self._cascade.save(path)

    @property
    def _classes(self) -> int:
        shape = self._cascade.graph.values[self._cascade.linked.probabilities].shape
        assert shape is not None
        return int(shape[1])

    def _recall(self, row: Row, shelf: Shelf) -> Answer:
        question = shelf.ask(row)
        known: Answer | None = shelf.find(question)
        return self._ask(question, shelf) if known is None else known

    def _ask(self, question: Question, shelf: Shelf) -> Answer:
        """A new answer, which is kept where it is sure enough."""
        (row,) = self._rows.split(shelf.arrays(question))
        began = perf_counter()
        found, macs, threads, data = self._compute_row(row, shelf)
        seconds = perf_counter() - began
        kept = Answer(found.label, found.probabilities, found.score, found.stage, found.ran, True)
        shelf.keep(question, data, kept, macs, seconds, threads)
        return found

    def _compute_row(self, row: Row, shelf: Shelf | None = None) -> tuple[Answer, int, int, bytes]:
        """The answer, the multiply-adds of the stages that ran, the threads, and where a shelf is to keep it, what
        for."""
        plan = self._row_plan
        if plan is None or any(plan.program.inputs[name].shape != array.shape for name, array in row.items()):
            plan = self._row_plan = self._engine.whole({name: array.shape for name, array in row.items()}, ())
        cascade = self._cascade
        workspace = self._take()
        try:
            workspace.bind(plan)
            for name, array in row.items():
                workspace.inputs[name][...] = array
            data = b"" if shelf is None else shelf.data(workspace.inputs)
            workspace.execute()
            score, label, _, stage, ran = workspace.outputs[cascade.linked.record].tolist()
            probabilities = workspace.outputs[cascade.linked.probabilities][0].copy()
        finally:
            self._give_back(workspace)
        abstain = cascade.gate.abstain
        if abstain is not None and score < abstain and ran == len(cascade.stages):
            label = -1
        probabilities.setflags(write=False)
        answer = Answer(int(label), probabilities, score, int(stage), int(ran), False)
        return answer, self._macs(plan, int(ran)), self._engine.threads if plan.program.shared else 1, data

    def _macs(self, plan: Plan, ran: int) -> int:
        costs = self._costs
        if costs is None or costs[0] is not plan:
            costs = self._costs = plan, self._cascade.stage_macs(plan.program.node_macs)
        return sum(costs[1][:ran])


def _model(stage: Model | Session | Path, verify: bool) -> Model:
    if isinstance(stage, Session):
        return stage.model
    if isinstance(stage, Model):
        return stage
    if not isinstance(stage, str | os.PathLike):
        raise InputError(f"a stage of a cascade is a model, a session or a .mj file, not {type(stage).__name__}")
    if named_as_source(stage):
        raise InputError(f"{os.fspath(stage)}: a stage is a .mj file, or what mj.convert({os.fspath(stage)!r}) gives")
    return Model.load(stage, verify=verify)


def _together(answers: Sequence[Answer], classes: int) -> Answer:
    """One with arrays for the answers of several rows."""
    probabilities = np.stack([a.probabilities for a in answers]) if answers else np.zeros((0, classes), np.float32)
    return Answer(
        np.array([a.label for a in answers], np.int64), probabilities,
        np.array([a.score for a in answers], np.float32), np.array([a.stage for a in answers], np.int64),
        np.array([a.ran for a in answers], np.int64), np.array([a.from_memory for a in answers], bool),
    )  # fmt: skip
