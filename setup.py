"""Builds the native scorer with the package where a C++ compiler is found; all else stands in pyproject.toml."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

_NATIVE = Path("model/gallery_scoring/native")


class BuildNativeScorer(build_ext):
    """One library for ctypes, not a module of Python's: its name says nothing of an interpreter."""

    def get_ext_filename(self, fullname: str) -> str:
        """The library's path below the packages."""
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def build_extension(self, ext: Extension) -> None:
        """Compiles it, or says why there is none: scoring works without, with torch alone."""
        try:
            _compiler.compile_library(Path(self.get_ext_fullpath(ext.name)))
        except _compiler.NativeBuildError as reason:
            self.warn(f"no native scorer is built, scoring will use torch alone: {reason}")


# By its path: the package itself needs torch, which is not there while this runs.
_specification = spec_from_file_location("compile_library", _NATIVE / "compile_library.py")
assert _specification is not None
assert _specification.loader is not None
_compiler = module_from_spec(_specification)
_specification.loader.exec_module(_compiler)

setup(
    ext_modules=[
        Extension(
            "model.gallery_scoring.native.gallery_scoring",
            sources=sorted(str(source) for source in _NATIVE.glob("*.cpp")),
            depends=sorted(str(header) for header in _NATIVE.glob("*.h")),
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildNativeScorer},
)
