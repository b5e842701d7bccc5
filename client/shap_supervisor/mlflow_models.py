"""MLflow's models: by address (`models:/churn/3`, `runs:/…`) or as mlflow.pyfunc wraps them; and a job kept in a run.

What is explained is the model within, as its own library has it. MLflow loads it, with whatever that runs, here in the
caller's process and not in the service. Does not save models: see `models`.
"""

from typing import Any, Protocol

from shap_supervisor.errors import BadTable, CannotSave, NotInstalled

SCHEMES = ("models:/", "runs:/", "mlflow-artifacts:/")


class Told(Protocol):
    """A job that can be asked."""

    def summary(self) -> dict[str, Any]: ...

    def report(self) -> str: ...


def is_mlflow(model: Any) -> bool:
    """Whether it is an address, or a wrapper of MLflow's."""
    if isinstance(model, str):
        return model.startswith(SCHEMES)
    return type(model).__module__.startswith("mlflow.pyfunc")


def unwrapped(model: Any) -> tuple[Any, list[str] | None]:
    """The model within, and the names of its signature's inputs, in their order; None where it has none. What is not
    MLflow's comes back as it is.

    Raises NotInstalled without mlflow, CannotSave where nothing is within, and what MLflow raises for an address.
    """
    if not is_mlflow(model):
        return model, None
    if isinstance(model, str):
        model = _mlflow(model).pyfunc.load_model(model)
    schema = model.metadata.get_input_schema()
    names = [str(name) for name in schema.input_names()] if schema is not None and schema.has_input_names() else None
    try:
        return model.get_raw_model(), names
    except NotImplementedError:
        raise CannotSave(
            "This model of MLflow is a Python function, and no model of a library lies within. Pass the model that it "
            "calls.",
            "cannot_save",
        ) from None


def arranged(table: Any, names: list[str] | None) -> Any:
    """A frame with the signature's columns in the signature's order, as MLflow predicts; anything else as it is.

    Raises BadTable for a column that is not there.
    """
    if names is None or not hasattr(table, "columns"):
        return table
    import narwhals as nw

    frame = nw.from_native(table, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return table
    found = {str(name): name for name in frame.columns}
    if missing := [name for name in names if name not in found]:
        raise BadTable(
            f"The model's signature has columns that these rows do not have: {', '.join(missing)}.", "bad_table"
        )
    return frame.select([found[name] for name in names]).to_native()


def log(job: Told, folder: str = "shap") -> None:
    """Keep a finished job in the active run: its summary, which holds mean |SHAP|, and its report.

    Raises NotInstalled, and ClientError where the job has none.
    """
    mlflow = _mlflow("a job")
    mlflow.log_dict(job.summary(), f"{folder}/summary.json")
    mlflow.log_text(job.report(), f"{folder}/report.html")


def _mlflow(what: str) -> Any:
    try:
        import mlflow
    except ImportError:
        raise NotInstalled(
            f"{what} needs MLflow, and it is not installed here: pip install mlflow", "not_installed"
        ) from None
    return mlflow
