"""Exact SHAP values of tree ensembles. Runs inside a child that has imported numpy and nothing else that is heavy.

- `arrays`: a tree ensemble as plain arrays, and what it predicts.
- `readers`: those arrays from a fitted model or its file.
- `engine`: SHAP values, interaction values and interventional values of such arrays.
- `columns`: rows as the engine's two implementations read them.
- `kernel.c`: the implementation in C; `numpy_engine`: the same recurrences where no compiler was at hand.
"""
