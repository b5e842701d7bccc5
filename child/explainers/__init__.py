"""SHAP values, by our own engine or through shap: one explainer a file, and one shape of values whatever the explainer.

Used in templates, which build an explainer once, and in children, which call it. Does not read files or talk to anyone.

- `kinds`: a row an explainer. To add one is to add a row, its file, and its name in `jobs.options`.
- `subject`: what is to be explained. `choose`: by which explainer, and why. `explainer`: what each of them does.
- `steps`: a pipeline, explained at its last step by any of them.
- `trees`: our own engine, in lean processes too. `catboost_native`, `linear`, `permutation` and `kernel` go through
  libraries, imported when they are needed; `exact` asks a model of few features for all their coalitions. `sampling`:
  what those that ask the model share.
- `additivity`: every chunk's values, compared with the model's own output.
"""
