"""LLVM assembly to machine code of this processor."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm


def compiled(assembly: str, name: str, pointers: int, sizes: int) -> Callable[..., None]:
    """The function of that name, which takes pointers and then integers. It runs without the interpreter's lock."""
    engine = _engine(assembly)
    types: list[Any] = [ctypes.c_void_p] * pointers + [ctypes.c_int64] * sizes
    function = ctypes.CFUNCTYPE(None, *types)(engine.get_function_address(name))
    function.engine = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    return function


def _engine(assembly: str) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    module = llvm.parse_assembly(assembly)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(target, tuning)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    return engine
