"""The web page, as the browser gets it, and the routes that hand it out (`files`). Plain ES modules and CSS, no build.

What runs in the browser, from the door inwards:

- `index.html`: the frame, at / and at /docs; `style.css`: all of its looks, light and dark; `icon.svg`.
- `main.js`: which view an address means; `session.js`: signing in and out, and what this caller may see.
- `http.js`: requests, whose problems are shown by their `detail`; `dom.js`: elements, whose text is never HTML;
  `format.js`: numbers, sizes and times for people.
- `start.js`: a model, a table, a dry run, a job, with `pick.js`: one file, dropped or chosen, and `sent.js`: what this
  tab has sent, to try it again; `jobs.js`: the list.
- `job.js`: one job, live, with `strip.js`: its chunks, and `death.js`: how an attempt ended and what would have been
  enough; `results.js`: what a finished one has found, with `charts.js`: its pictures, and `sample.js`: its rows.
- `machines.js`: supervisors and children, for the operator, with `hour.js`: what was; `docs.js`: the HTTP interface, to
  read, with `attempt.js`: to try.
- `vega.js` is Vega's own bundle, which `setup.py` puts here where the build has it; loaded only where charts are.
"""
