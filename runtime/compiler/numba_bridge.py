"""numba's compiler as a function: a Python kernel in, an ELF object for any target out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import config, types
from numba.core.codegen import AOTCodeLibrary, AOTCPUCodegen, JitEngine
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock

from ..simd.subroutine import compiled_by
from .abi import codes, rolled, signature
from .numba_frontend import Context, Pipeline, few_registries, typing_context

if TYPE_CHECKING:
    from ..targets.target import Target

_ARGUMENTS = {"p": types.int64, "i": types.int64, "f": types.float32, "b": types.int64}
I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


class _KernelLibrary(AOTCodeLibrary):
    """A module whose one exported function is named as the library is."""

    def _optimize_functions(self, ll_module: llvm.ModuleRef) -> None:
        """Waits until subroutines are inlined: a loop that does not yet show what it calls is unswitched, and each of
        its copies then gets all of that."""

    def inline_subroutines(self) -> None:
        module = self._final_module
        for value in (*module.functions, *module.global_variables):
            if not value.is_declaration and value.name != self.name:
                value.linkage = "internal"
        passes = llvm.newpassmanagers.ModulePassManager()
        passes.add_always_inliner_pass()
        passes.add_global_dead_code_eliminate_pass()
        passes.run(module, self._codegen._pass_builder())

    def _optimize_final_module(self) -> None:
        self.inline_subroutines()
        super()._optimize_functions(self._final_module)
        super()._optimize_final_module()


class _TargetCodegen(AOTCPUCodegen):
    """numba's ahead-of-time code generator, for a target that need not be this machine.

    rolled: LLVM unrolls no loop.
    """

    def __init__(self, target: Target, rolled: bool) -> None:
        self.target, self.rolled = target, rolled
        super().__init__("millijoule")

    def _init(self, llvm_module: llvm.ModuleRef) -> None:
        self._tm_features = self.target.llvm_features
        self._tm = llvm.Target.from_triple(self.target.triple).create_target_machine(
            cpu=self.target.cpu, features=self._tm_features, opt=3, reloc="pic", codemodel="small"
        )
        # numba asks an engine only for symbols of the host process; kernels have none.
        host = llvm.Target.from_default_triple().create_target_machine()
        self._engine = JitEngine(llvm.create_mcjit_compiler(llvm_module, host))
        self._target_data = self._tm.target_data
        self._data_layout = str(self._tm.target_data)
        self._loopvect = False
        self._opt_level = 0

    def _pass_builder(self, **options: Any) -> llvm.PassBuilder:
        if not self.rolled:
            return super()._pass_builder(**options)
        tuning = llvm.create_pipeline_tuning_options(options.get("opt", config.OPT))
        tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False
        return llvm.create_pass_builder(self._tm, tuning)

    def _create_empty_module(self, name: str) -> ir.Module:
        module = super()._create_empty_module(name)
        module.triple = self.target.triple
        if self._data_layout:
            module.data_layout = self._data_layout
        return module


def _codegen(function: Callable[..., None], target: Target) -> _TargetCodegen:
    return _codegen_of(target, rolled(function) and target.in_order)


@cache
def _codegen_of(target: Target, rolled: bool) -> _TargetCodegen:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return _TargetCodegen(target, rolled)


def compile_kernel(function: Callable[..., None], symbol: str, target: Target) -> bytes:
    """An ELF relocatable object that defines `symbol` with the calling convention of `abi`."""
    with global_compiler_lock, _no_vectorizer(), few_registries():
        return _lowered(function, symbol, _codegen(function, target)).emit_native_object()


def assembly(function: Callable[..., None], target: Target) -> str:
    """The assembly text of a kernel, for tests and for people."""
    with global_compiler_lock, _no_vectorizer(), few_registries():
        codegen = _codegen(function, target)
        library = _lowered(function, "kernel", codegen)
        library.finalize()
        return codegen._tm.emit_assembly(library._final_module)


def effort(function: Callable[..., None], target: Target) -> int:
    """How many instructions of a kernel LLVM is given to optimize, subroutines inlined; compiles no further."""
    with global_compiler_lock, _no_vectorizer(), few_registries():
        library = _lowered(function, "kernel", _codegen(function, target))
        library.inline_subroutines()
        return sum(line.startswith("  ") for line in str(library._final_module).splitlines())


def _lowered(function: Callable[..., None], symbol: str, codegen: _TargetCodegen) -> _KernelLibrary:
    """A kernel and its subroutines in LLVM's language, as numba wrote them."""
    parameters = codes(signature(function))
    context = Context().subtarget(_internal_codegen=codegen)
    library = _KernelLibrary(codegen, symbol)

    def add(function: Callable[..., Any], arguments: tuple[types.Type, ...], result: Any, inline: bool) -> Any:
        return compile_extra(
            typing_context(), context, function, arguments, result, _flags(inline), {}, library, Pipeline
        )

    with compiled_by(lambda helper, arguments: add(helper, arguments, None, True)):
        arguments = types.int64, types.int64, *(_ARGUMENTS[code] for code in parameters)
        body = add(function, arguments, types.none, False)
    library.add_ir_module(_entry(library, body.fndesc.llvm_func_name, symbol, parameters))
    return library


def _flags(inline: bool) -> Flags:
    flags = Flags()
    flags.no_compile = True
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.nrt = False
    flags.error_model = "numpy"
    flags.forceinline = inline
    return flags


class _no_vectorizer:
    """Kernels are vectors already; LLVM's own vectorizers only add remainder loops to them."""

    def __enter__(self) -> None:
        self._saved = config.LOOP_VECTORIZE, config.SLP_VECTORIZE
        config.LOOP_VECTORIZE = config.SLP_VECTORIZE = 0

    def __exit__(self, *_: object) -> None:
        config.LOOP_VECTORIZE, config.SLP_VECTORIZE = self._saved


def _entry(library: Any, callee: str, symbol: str, parameter_codes: list[str]) -> ir.Module:
    """A module with the ABI's entry function, which unpacks the parameter block and calls the numba function."""
    module = library.create_ir_module(symbol + ".entry")
    pointer = I8.as_pointer()
    scalars = {"p": I64, "i": I64, "f": ir.FloatType(), "b": I64}
    inner = ir.FunctionType(
        I32, [pointer.as_pointer(), pointer.as_pointer(), I64, I64, *(scalars[code] for code in parameter_codes)]
    )
    entry = ir.Function(
        module, ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I32.as_pointer(), I64, I64]), name=symbol
    )
    builder = ir.IRBuilder(entry.append_basic_block())
    bases, params, start, stop = entry.args

    def word(index: int) -> ir.Value:
        return builder.load(builder.gep(params, [I32(index)]))

    values: list[ir.Value] = []
    at = 0
    for code in parameter_codes:
        if code == "p":
            base = builder.load(builder.gep(bases, [word(at)]))
            values.append(builder.add(base, builder.zext(word(at + 1), I64)))
            at += 2
        elif code == "b":
            values.append(builder.ptrtoint(bases, I64))
        else:
            raw = word(at)
            values.append(builder.bitcast(raw, ir.FloatType()) if code == "f" else builder.sext(raw, I64))
            at += 1
    result, error = builder.alloca(pointer), builder.alloca(pointer)
    builder.call(ir.Function(module, inner, name=callee), [result, error, start, stop, *values])
    builder.ret_void()
    return module
