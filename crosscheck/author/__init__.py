"""What runs in a throw-away environment: draws models, trains them, and writes down what their own library says.

Imports nothing of this project but itself, and must run with libraries that are years old. `python -m
crosscheck.author` is a process for each environment.

- `draw`: the dice, and tables to train on. `specimen`: what is written for each model.
- `shapley`: values by their definition. `tree_expectations`: what a tree gives when only some features are known.
- `sklearn_models`: how an estimator becomes a specimen. A family a file: `xgboost_models`, `lightgbm_models`,
  `catboost_models`, `sklearn_trees`, `sklearn_others`, `sklearn_ensembles`.
"""
