"""`python -m fuzz` (`make fuzz`): a seeded campaign of hostile inputs against the whole service, with real processes.

One process, one event loop, several clients, each input on a connection of its own. Every input is drawn by its seed
and number alone. Nothing is broken but what is sent: for dead processes and lost connections see `chaos`.

- `campaign`: the order of events, from the first start to the verdict. `__main__` reads the command line.
- `inputs`: the kinds of input and the sequence that a seed gives. `messages`: HTTP as bytes, whole or damaged.
- `files`: files of every format, damaged in what they say, `binary_tables` those of Parquet, Arrow and Excel; `damage`:
  bytes, documents and lines, of no format; `packing`: gzip and Zstandard around them.
- `samples`: the valid models that are damaged, `tables` the rows in every format, `workbooks` one of these. `ubjson`
  writes what XGBoost does; `thrift` finds the numbers in what Parquet writes.
- `service`: web, supervisor and store, and what shows of them from outside. `client`: one input, its answer, its job.
- `checks`: what may never happen, and `contract`: schemathesis against /openapi.json; what did is kept in
  `chaos.findings`. `report`: what is printed.
"""
