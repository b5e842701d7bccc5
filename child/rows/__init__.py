"""Data files, read in a child: cut into byte ranges without copying, and read back into numbers range by range.

Memory: a piece and the spans, however large the file. Does not read whole uploads.

- `arrow_file` (Parquet, too) and `xlsx_file`: those whose libraries come with an extra.
- `readers`: a row a format; `open_table` finds the rows, `read_rows` reads one span. `table`: what both are about.
- `csv_file`, `npy_file`, and `json_file` with its `json_brackets`, `json_outline`, `json_members` and
  `json_text`: one format each. `tensors_file`: JSON as inference protocols write it.
- `predictions`: a small file of numbers, read whole, to compare the model with.
- `dialect`: what separates the cells of a CSV file, by its look.
- `ids`: the column that goes through to results.
- `words`: columns of text and categories, whose cells are places in a list. `features`: a model without its library.
- `cells`: what a cell means as a number. `cutter`: rows into spans, while they are found.
- `matching`: which column is which feature. `layout`: the columns in the model's order, and values that the model
  cannot take.
"""
