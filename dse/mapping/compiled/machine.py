"""LLVM assembly to machine code of this processor, which is kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

DIGEST_BYTES = hashlib.sha256().digest_size


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
    processor, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple().create_target_machine(cpu=processor, features=features, opt=3)
    text = "\n".join([assembly, processor, features, *map(str, llvm.llvm_version_info)])
    path = cache_folder() / f"{hashlib.sha256(text.encode()).hexdigest()}.o"
    code = _kept(path)
    if code is None:
        module = llvm.parse_assembly(assembly)
        builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=3))
        builder.getModulePassManager().run(module, builder)
        code = target.emit_object(module)
        _keep(path, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def cache_folder() -> Path:
    """Where compiled searches are kept; they can be removed at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dse" / "searches"


def _kept(path: Path) -> bytes | None:
    """The code in a file behind its hash; None where there is none, or it is damaged."""
    try:
        held = path.read_bytes()
    except OSError:
        return None
    digest, code = held[:DIGEST_BYTES], held[DIGEST_BYTES:]
    return code if digest == hashlib.sha256(code).digest() else None


def _keep(path: Path, code: bytes) -> None:
    """Write a file as a whole, or not at all: a cache that cannot be written to is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as partial:
            partial.write(hashlib.sha256(code).digest() + code)
        os.replace(partial.name, path)
    except OSError:
        return
