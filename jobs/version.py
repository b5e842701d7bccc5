"""Which version of this package is installed.

A module of its own: what it takes to find out is more than a lean child needs.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("shap-supervisor")
except PackageNotFoundError:  # a checkout that is not installed
    VERSION = "0+unknown"
