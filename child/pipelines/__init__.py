"""Pipelines, taken apart: the steps that make columns, and the last one, which predicts from them.

Used in full templates. Knows scikit-learn's transformers and nothing of explainers: see `child.explainers.steps`.

- `apart`: from a pipeline, and what is wrapped around it, to its transformers and its last step.
- `provenance`: which columns of the table each column of a transformer's output is made of.
- `wants`: what steps want of the table: text, categories in a list, or nothing at all.
- `columns`: values of such columns, brought back to those of the table.
"""
