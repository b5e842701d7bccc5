"""A model that is refused at the door, in the safe format that keeps most of it: what `convert` starts.

Runs in a process of its own, under the Python and with the libraries that the model was made with, whichever they are
(3.8 and later): so nothing in here imports another room, and each library is imported when its model comes.

- `work`: from the request to the report, in order, and what ends it early.
- `loading`: what the file holds, and whether it is one model.
- `kinds`: one library a class: how its models are written, read back and asked.
- `rows`: what both are asked with, the user's own or drawn; `learnt`: what a fitted model tells of its columns.

Does not decide whether a pickle may be loaded: see `cli.convert`.
"""
