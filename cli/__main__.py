"""`python -m cli` is the command `shap-supervisor`."""

from cli.main import main

main()
