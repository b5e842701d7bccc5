"""`python -m crosscheck.author --seed N --place S --places T --count N --into DIR`: writes every specimen that falls to
this environment, as the same seed draws it.
"""

import argparse
import importlib
import sys
import warnings
from pathlib import Path

from crosscheck.author.draw import Draw

FAMILIES = {
    "scikit-learn trees": "sklearn_trees",
    "scikit-learn others": "sklearn_others",
    "scikit-learn ensembles": "sklearn_ensembles",
    "XGBoost": "xgboost_models",
    "LightGBM": "lightgbm_models",
    "CatBoost": "catboost_models",
}
TRIES = 4


def main() -> None:
    """Family and environment take turns, so that any number of specimens has some of each."""
    parser = argparse.ArgumentParser()
    for name in ("seed", "place", "places", "count"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--into", type=Path, required=True)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for number in range(asked.count):
        if number // len(FAMILIES) % asked.places == asked.place and not (asked.into / str(number)).exists():
            _write(asked.seed, number, asked.into / str(number))


def _write(seed: int, number: int, directory: Path) -> None:
    """What a library refuses to train is drawn again."""
    family = list(FAMILIES)[number % len(FAMILIES)]
    module = importlib.import_module(f"crosscheck.author.{FAMILIES[family]}")
    fault = ""
    for attempt in range(TRIES):
        try:
            specimen = module.draw(Draw(seed, number, attempt))
            specimen.write(directory, family=family, number=number)
            return
        except Exception as error:  # any library may raise anything
            fault = f"{type(error).__name__}: {error}"
    sys.stderr.write(f"{number}: {family}: {fault[:300]}\n")


if __name__ == "__main__":
    main()
