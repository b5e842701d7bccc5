"""Model files and fitted models, read into arrays without the library that wrote them: one family a file.

Being settled: `read(content)` takes the bytes of a file whatever the family, `xgboost.read(content)` and
`lightgbm.read(content)` those of theirs, `sklearn.convert(estimator)` a fitted estimator. Each returns a
`shaptrees.ensemble.Ensemble`: `trees`, and `about` (family, name, features, names of outputs).
"""
