"""What is made here: the C kernel of the tree engine, and the bundle of Vega that the page draws charts with.

Both are optional: without a compiler the same recurrences run in NumPy, without vl-convert the page shows tables.
"""

import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py

FLAGS = ["/O2"] if sys.platform == "win32" else ["-std=c11", "-O3", "-ffp-contract=fast", "-fno-math-errno"]
ROOMS = ("jobs", "shaptrees", "child", "supervisor", "api", "plots", "cli")
CLIENT = "shap_supervisor"
"""A distribution of its own, too; the command line speaks HTTP with it."""
BUNDLE = Path(__file__).parent / "api" / "page" / "vega.js"


class BuildWithBundle(build_py):
    """Puts the bundle beside the page's own files, from where a wheel takes it and an editable install serves it."""

    def run(self):
        try:
            from vl_convert import javascript_bundle
        except ImportError as error:
            print(f"No charts in the page, as vl-convert is missing: {error}", file=sys.stderr)
        else:
            BUNDLE.write_text(javascript_bundle(), encoding="utf-8")
        super().run()


setup(
    packages=[*find_packages(include=[f"{room}*" for room in ROOMS]), CLIENT],
    package_dir={CLIENT: f"client/{CLIENT}"},
    cmdclass={"build_py": BuildWithBundle},
    ext_modules=[
        Extension(
            "shaptrees._kernel",
            sources=["shaptrees/kernel.c"],
            depends=glob("shaptrees/kernel*.h"),
            extra_compile_args=FLAGS,
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
