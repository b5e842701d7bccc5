"""What of a Python module runs: so that no mutation is drawn that only touches the rest.

Annotations, docstrings, what a type checker alone sees, what runs in `python -m` alone (tests of the command start it,
in a process that shows little), log statements, and promises of a class that nobody who keeps to them can see broken
(`frozen`, `slots`, `kw_only`, and how arguments are passed).
Does not know equivalents that take thought: see `equivalents`.
"""

import ast
from functools import lru_cache

PROMISES = {"frozen", "slots", "kw_only"}


@lru_cache(maxsize=8)
def meaning(text: str) -> str:
    """The same for two sources that run the same. Raises SyntaxError."""
    return ast.dump(_Bare().visit(ast.parse(text)))


class _Bare(ast.NodeTransformer):
    """Takes away what does not run."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        """By position or by name: a promise, too."""
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        node.defaults += [default for default in node.kw_defaults if default]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST | None:
        return None if node.arg in PROMISES else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        told = ast.unparse(node.test)
        return (
            None
            if told in ("TYPE_CHECKING", "typing.TYPE_CHECKING") or "__name__" in told
            else self.generic_visit(node)
        )

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        value = node.value
        logs = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and _is_log(value.func.value)
        return None if logs or isinstance(value, ast.Constant) else self.generic_visit(node)


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "log"
