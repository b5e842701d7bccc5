"""`python -m crosscheck` (`make models`): random models of six families, written by old and new versions of their
libraries, explained by the service, and compared with what the library that made each said of it itself.

- `version_sets`: which versions, and the throw-away environments with them below `.models/`.
- `author`: a package of its own that runs in these environments: it draws, trains and says.
- `examination`: one specimen through the running service, and the verdict. `comparison`: the numbers of both.
- `campaign`: all of them, side by side. `report`: docs/models.md. `__main__` reads the command line.
"""
