"""Session: a model ready to run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from operator import index
from reprlib import repr as short
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..device_profiles import usable_cpus
from . import summary
from .arguments import names
from .boxed import given, is_boxed
from .engine.engine import Engine, Shapes
from .engine.feeds import Arrays, FeedCheck, Feeds
from .engine.locks import Lock
from .engine.workspace import Plan, Workspace
from .errors import Error, InputError
from .model import Model, TensorInfo
from .model_file import ModelFile

if TYPE_CHECKING:
    from .engine.staging import Staged
    from .engine.stream import Link, Stream
    from .memory.memory import Memory
    from .memory.shelf import Shelf
    from .vision.labels import Ranked
    from .vision.preprocess import ImageLike

Path = str | os.PathLike[str]
S = TypeVar("S", bound="Session")


def load(
    model: Model | Path,
    *,
    threads: int | None = None,
    profile: Path = "host",
    target: str | None = None,
    kernels: Path | None = None,
    verify: bool = True,
    progress: Callable[[int, int, str], None] | bool = True,
    reuse_inputs: bool = False,
    memory: Memory | None = None,
) -> Session:
    """As mj.load, of a Model or a .mj file: the runtime knows no sources."""
    if memory is not None:
        _check_memory(memory)
    source = model if isinstance(model, Model) else ModelFile(model, verify)
    engine = Engine(source, threads, profile, target, kernels, progress, reuse_inputs)
    model = engine.model
    if model.metadata.states and (memory is not None or reuse_inputs):
        asked = "memory" if memory is not None else "reuse_inputs"
        raise InputError(f"the model keeps state from one run to the next, which {asked} does not go with")
    if memory is not None and any(is_boxed(info.dtype) for info in (*model.inputs.values(), *model.outputs.values())):
        raise InputError("the model takes or gives text or sequences, which a memory does not keep")
    if type(model) is not Model:
        from .cascade.cascade import Cascade
        from .cascade.model import CascadeModel

        assert isinstance(model, CascadeModel)
        return Cascade.of(engine, model, memory)
    engine.warm_up()
    if memory is None:
        return Session(engine)
    from .remembering import RememberingSession

    return RememberingSession.of(engine, memory)


def _check_memory(memory: object) -> None:
    from .memory.memory import Memory  # which only those who remember need

    if not isinstance(memory, Memory):
        raise InputError(f"memory={memory!r}: an mj.Memory is wanted")


class Session:
    """Runs a model.

    `run` may be called from several threads at once. `inputs`, `invoke` and `outputs` belong to one thread; another
    thread takes a `clone`, which shares the weights and the code. Once closed, everything but `close` raises Error.

    A session whose model keeps state, or of which an output is bound to an input, is a stream: every `run` and `invoke`
    begins with the state that the one before it left, and `run` belongs to one thread, too.
    """

    def __init__(self, engine: Engine, shelf: Shelf | None = None) -> None:
        self._engine = engine.retain()
        self._shelf = shelf
        self._check = FeedCheck(engine.model)
        self._boxed = any(is_boxed(info.dtype) for info in engine.model.outputs.values())
        self._own: Workspace | None = None
        self._turn = Lock()
        self._pool: list[Workspace] = []
        self._lock = Lock()
        self._spare = max(2, usable_cpus())
        self._latest: tuple[int, Shapes] | None = None
        self._closed = False
        states = engine.model.metadata.states
        self._stream: Stream | None = None
        if states:
            from .engine.stream import Link  # which only a stream needs, as what else is imported below

            self._flow({name: Link(state.output, state.fill, hidden=True) for name, state in states.items()})

    def __repr__(self) -> str:
        if self._closed:
            return summary.line(type(self).__name__, self.model, " (closed)")
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return summary.line(type(self).__name__, self.model, f" on {self.target}, {threads}")

    def _repr_html_(self) -> str:
        return summary.table(type(self).__name__, self.model, {"target": self.target, "threads": self.threads})

    @property
    def engine(self) -> Engine:
        """What this session shares with its clones, for tools that look inside."""
        return self._engine

    @property
    def model(self) -> Model:
        """What was loaded, with its metadata."""
        return self._engine.model

    @property
    def target(self) -> str:
        """The name of the target that the kernels are compiled for; "numpy" where no machine code is used."""
        target = self._engine.target
        return "numpy" if target is None else target.name

    @property
    def threads(self) -> int:
        """How many threads share the work at most, the caller's included."""
        return self._engine.threads

    @property
    def memory(self) -> Memory | None:
        """Where earlier answers are kept, if the model was loaded with a memory."""
        return None if self._shelf is None else self._shelf.memory

    @property
    def input_info(self) -> dict[str, TensorInfo]:
        """Names, declared shapes (with symbolic dimensions by name) and dtypes of the inputs."""
        return self.model.inputs

    @property
    def output_info(self) -> dict[str, TensorInfo]:
        """The same of the outputs."""
        return self.model.outputs

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """Views of the inputs' memory, with the shapes of the latest `run` or `resize`, or the model's own.

        What is written there stays from one `invoke` to the next, unless the model was loaded with reuse_inputs.
        InputError before any `run` or `resize` where a dimension is symbolic and has no default size.
        """
        return Arrays(self._public(self._bound().inputs), self.model.input_name)

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """Views of the outputs' memory, which the next `invoke` overwrites."""
        return Arrays(self._public(self._bound().outputs), self.model.output_name)

    def bind(self, output: str, input: str, initial: Any = None) -> None:
        """Makes the session a stream: what a run gives as this output, the next one gets as this input, both by name or
        alias. So neither is copied through Python: `run` takes the input no more, but may, and gives the output only
        where `outputs` asks for it.

        initial: the array that the first run gets, zeros by default. InputError where output and input are not of one
        dtype, quantization and shape, or the session remembers answers.
        """
        self._check_open()
        if self._shelf is not None or type(self) is not Session:
            raise InputError("a session that looks answers up, or that is a cascade, cannot be a stream")
        if self._engine.reuses_inputs:
            raise InputError("a session that was loaded with reuse_inputs cannot be a stream")
        from .engine.stream import link

        links = {} if self._stream is None else self._stream.links
        name, found = link(self.model, links, output, input, initial)
        self._flow({**links, name: found})

    def reset(self) -> None:
        """Begins the stream anew: the next run gets the state that the first one had. Nothing where it is none."""
        self._check_open()
        if self._stream is None:
            return
        self._take_turn()
        try:
            self._stream.reset()
            if self._own is not None and self._own.plan is not None:
                self._own.bind(self._engine.plan(self._stream.shapes(self.model, self._fed()), ()))
                self._stream.pour(self._own)
        finally:
            self._turn.release()

    def resize(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Plans for these input shapes, by name or alias; inputs not named keep theirs, but for the symbolic dimensions
        that they share. InputError where they do not fit the model."""
        self._check_open()
        if not isinstance(shapes, Mapping):
            raise InputError(f"shapes={short(shapes)}: a dict of shapes by input name is wanted")
        wanted = {self.model.input_name(name): _shape(name, shape) for name, shape in shapes.items()}
        self._bind(self._engine.shapes(wanted, self._shapes()))

    def invoke(self) -> None:
        """Runs the model on what `inputs` hold."""
        turn = self._turn
        if not turn.acquire(False):
            raise _out_of_turn()
        try:
            workspace = self._own
            if workspace is None or self._latest is not None or self._closed or workspace.plan is None:
                workspace = self._bound()
            workspace.execute()
            if self._stream is not None:
                self._stream.carry(workspace)
        finally:
            turn.release()

    def prepare(self, image: ImageLike, *, input: str | None = None) -> dict[str, np.ndarray]:
        """What to feed for an image, by input name: session.run(session.prepare("cat.jpg")).

        The image is resized and its pixels become numbers as the model's preprocessing says. image: a file that Pillow
        reads, a Pillow image, or uint8 pixels (height, width), (height, width, 1 or 3) in RGB order. input: the input's
        name or alias, where more than one takes an image. Without preprocessing, an input of 8-bit integers gets the
        pixels' own numbers, int8 less 128, and one of floats raw 0..255. PreprocessingWarning where nothing says that
        this is right, as the range does that an input's scale and zero point stand for.

        InputError: the file is no image, or the model takes none. Error: Pillow is missing.
        """
        from .vision.preprocess import image_input, image_name  # which runs on arrays never need

        name = image_name(self.model, input)
        return {name: image_input(self.model, name, image)}

    def classify(self, image: ImageLike, top: int = 5, *, input: str | None = None) -> list[Ranked]:
        """The best classes of an image, the best first: `prepare`, `run`, and the model's labels for its scores.

        Scores are real numbers, also of a model that gives integers. LabelsWarning where the labels are not as many as
        the scores; a class without a label is called "class N". InputError as of `prepare`, and where the model's
        output is not the scores of one image.
        """
        from .vision.labels import classify

        return classify(self.model, self.run(self.prepare(image, input=input)), top)

    def quantize(self, name: str, array: Any) -> np.ndarray:
        """The integers of an input or output (by name or alias) that stand for real numbers: round half even(x /
        scale) + zero point, in float32, saturated to the tensor's dtype.

        InputError: no such name, a tensor without quantization, numbers of another shape, NaN.
        """
        from .engine import quantized

        return quantized.quantize(self.model, name, array)

    def dequantize(self, name: str, array: Any) -> np.ndarray:
        """scale * (q - zero point) as float32, of the integers of an input or output (by name or alias).

        InputError: no such name, a tensor without quantization, integers of another dtype or shape.
        """
        from .engine import quantized

        return quantized.dequantize(self.model, name, array)

    def run(self, feeds: Feeds | Any, outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Runs the model on arrays by input name, or on the array of its only input; new arrays by output name.

        Text is arrays of str, a sequence of tensors a list of arrays, an optional value that is absent None; so they
        come out again.
        outputs: names of what to return instead of the model's outputs, also of what lies between: the source's
        tensors, as `mj compare` prints them, in the source's layout; or steps, as `mj inspect --steps` prints them, for
        what a step writes, its activation included and images channels-last.
        Raises InputError on a wrong name, shape or dtype; on the name of a tensor that the conversion has fused away,
        it tells into which step, where the session was loaded from the source itself.
        """
        self._check_open()
        return self._compute(self._check(feeds), outputs)

    def forget(self, feeds: Feeds | Any) -> bool:
        """Deletes what the memory would answer for arrays by input name, or for the array of the only input, so that it
        is computed anew. Whether there was anything. InputError as of `run`."""
        self._check_open()
        arrays, shelf = self._check(feeds), self._shelf
        return shelf is not None and shelf.forget(shelf.ask(arrays))

    def _compute(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None) -> dict[str, np.ndarray]:
        """What `run` gives for arrays that were checked, whatever may be remembered."""
        wanted = {} if outputs is None else {name: self._engine.find_value(name) for name in names("outputs", outputs)}
        values = tuple(dict.fromkeys(found.value for found in wanted.values()))
        if self._stream is not None:
            found = self._advance(self._stream, arrays, values)
            return found if outputs is None else {name: at.arrange(found[at.value]) for name, at in wanted.items()}
        shapes = shapes_of(arrays)
        found, _, _ = self._execute(self._engine.plan(shapes, values), arrays)
        self._latest = get_ident(), shapes
        found = found if outputs is None else {name: at.arrange(found[at.value]) for name, at in wanted.items()}
        return {name: given(array) for name, array in found.items()} if self._boxed or values else found

    def _advance(
        self, stream: Stream, arrays: Mapping[str, np.ndarray], names: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        """Runs the stream on with arrays that were checked. names: what to return, as of `Engine.plan`."""
        self._take_turn()
        try:
            workspace, asked = self._own, stream.same(arrays, names)
            if workspace is None or asked is None or workspace.plan is not asked[0]:
                carried = dict.fromkeys(stream.outputs)
                wanted = tuple(dict.fromkeys((*names, *carried))) if names else ()
                plan = self._engine.plan(stream.shapes(self.model, shapes_of(arrays)), wanted)
                workspace = self._settle(plan)
                asked = plan, names or tuple(name for name in workspace.outputs if name not in carried)
                stream.remember(arrays, names, *asked)
            for name, array in arrays.items():
                workspace.inputs[name][...] = array
            workspace.execute()
            found = {name: workspace.outputs[name].copy() for name in asked[1]}
            stream.carry(workspace)
            self._latest = None
            return found
        finally:
            self._turn.release()

    def _settle(self, plan: Plan | Staged) -> Workspace:
        """The session's own workspace, bound to the plan, with the state that the stream has reached."""
        if self._own is None:
            self._own = self._take()
        if self._own.plan is not plan:
            if self._stream is not None:
                self._stream.take(self._own)
            self._own.bind(plan)
            if self._stream is not None:
                self._stream.pour(self._own)
        return self._own

    def _flow(self, links: Mapping[str, Link]) -> None:
        """Makes the session the stream that these links say, at its beginning."""
        from .engine.stream import Stream

        self._stream = Stream(links)
        self._check = FeedCheck(self._engine.model, links)
        if self._own is not None:
            self._own.close()
            self._own = None
        self._latest = None

    def _fed(self) -> Shapes:
        """Shapes of the inputs that are not the stream's."""
        linked = () if self._stream is None else self._stream.links
        return {name: shape for name, shape in self._shapes().items() if name not in linked}

    def _public(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        hidden = set[str]() if self._stream is None else self._stream.hidden()
        return {name: array for name, array in arrays.items() if name not in hidden} if hidden else arrays

    def _execute(
        self, plan: Plan | Staged, arrays: Mapping[str, np.ndarray], shelf: Shelf | None = None
    ) -> tuple[dict[str, np.ndarray], bytes, tuple[int, bool]]:
        """New arrays of the plan's outputs; where a shelf is to keep them, what for; and what `Workspace.ran` says."""
        workspace = self._take()
        try:
            workspace.bind(plan)
            for name, array in arrays.items():
                workspace.inputs[name][...] = array
            data = b"" if shelf is None else shelf.data(workspace.inputs)
            workspace.execute()
            return workspace.results(), data, workspace.ran
        finally:
            self._give_back(workspace)

    def clone(self) -> Session:
        """Another session on the same weights and code, for another thread; of a stream another, at its beginning."""
        self._check_open()
        other = Session(self._engine)
        if self._stream is not None:
            other._flow(self._stream.links)
        return other

    def close(self) -> None:
        """Ends the helper threads and lets go of the memory; what runs in other threads meanwhile still ends well.

        Closing twice is harmless.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            workspaces = [workspace for workspace in (self._own, *self._pool) if workspace is not None]
            self._own, self._pool = None, []
        for workspace in workspaces:
            workspace.close()
        self._engine.release()

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> Workspace:
        with self._lock:
            self._check_open()
            return self._pool.pop() if self._pool else Workspace(self._engine.threads, self._engine.profile)

    def _give_back(self, workspace: Workspace) -> None:
        with self._lock:
            if not self._closed and len(self._pool) < self._spare:
                self._pool.append(workspace)
                return
        workspace.close()

    def _bound(self) -> Workspace:
        """The workspace of `inputs` and `outputs`, with the shapes of this thread's latest `run` or `resize`."""
        self._check_open()
        if self._own is None or self._own.plan is None or self._is_newer():
            self._bind(self._engine.shapes(self._shapes()))
        assert self._own is not None
        return self._own

    def _is_newer(self) -> bool:
        """Whether this thread's latest `run` came after what the workspace of `inputs` and `outputs` was bound for."""
        return self._latest is not None and self._latest[0] == get_ident()

    def _shapes(self) -> Shapes:
        if self._latest is not None and (self._own is None or self._is_newer()):
            return self._latest[1]
        return {} if self._own is None else {name: array.shape for name, array in self._own.inputs.items()}

    def _bind(self, shapes: Shapes) -> None:
        plan = self._engine.plan(shapes, ())
        self._take_turn()
        try:
            self._settle(plan)
            self._latest = None
        finally:
            self._turn.release()

    def _take_turn(self) -> None:
        if not self._turn.acquire(blocking=False):
            raise _out_of_turn()

    def _check_open(self) -> None:
        if self._closed:
            raise Error("this session is closed")


def shapes_of(arrays: Mapping[str, np.ndarray]) -> Shapes:
    return {name: array.shape for name, array in arrays.items()}


def _out_of_turn() -> Error:
    return Error("another thread is running this session's invoke; every thread needs a clone() of its own")


def _shape(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    try:
        return tuple(index(n) for n in shape)
    except TypeError:
        raise InputError(f"{shape!r} is no shape for input '{name}': integers are expected") from None
