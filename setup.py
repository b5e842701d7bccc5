"""The C kernel of the tree engine. Optional: without a compiler the same recurrences run in NumPy."""

import sys
from glob import glob

from setuptools import Extension, setup

FLAGS = ["/O2"] if sys.platform == "win32" else ["-std=c11", "-O3", "-ffp-contract=fast", "-fno-math-errno"]

setup(
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
