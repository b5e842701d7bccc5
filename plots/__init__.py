"""Pictures of explained jobs, as data: pure functions from a small, typed input to Vega-Lite specifications.

- `explained`: what there is to show of a job, and what is asked of it
- `kinds`: the charts by name, a row each; each has its file
- `spec`: what all charts share: colours, numbers, labels, what stands around marks
- `report`: one self-contained HTML file
- `draw`: a process that makes SVG and PNG of specifications

For the page, the report and the command line. Imports nothing of ours and no numbers: a sample is small. Every text of
a job stands in a specification as data, never in an expression. Orders, colours and words are those that users of
`shap.plots` know (https://shap.readthedocs.io/en/latest/api.html#plots); none of its code is used.
"""
