"""The fingerprint of code: a hash over what a job can reach, blind to comments, docstrings and layout.

Snakemake does not see imported code, so each job carries the fingerprint of its roots as a parameter: a changed
figure function then redraws and retrains nothing, and a changed comment reruns nothing.
"""

import ast
import importlib.util
from functools import cache
from pathlib import Path

import grimp

from isthmus import store
from isthmus.errors import UserError

_PACKAGE = "isthmus"


def of(*modules: str) -> str:
    """SHA-256, in hex, over the normal forms of `modules` and of all they import from this package, transitively.

    Packages on the way count too (Python runs their `__init__`). A module that is loaded by name at run time
    is not seen: name it as a root. UserError if a module does not exist.
    """
    names = {ancestor for module in modules for ancestor in reachable(module)}
    return store.digest("\n".join(f"{name} {_module_digest(name)}" for name in sorted(names)))


def normal_form(source: str) -> str:
    """The program as text: its syntax tree without comments, docstrings, positions and type comments.

    Ours and not `ast.dump`, whose output differs between Python versions: fields that are empty or None are left
    out, pieces of an f-string that are neighbours are joined, and text is written in ASCII.
    """
    return _form(ast.parse(source))


@cache
def _graph() -> grimp.ImportGraph:
    """The static import graph of the package (built once a process, without a cache folder)."""
    return grimp.build_graph(_PACKAGE, cache_dir=None, exclude_type_checking_imports=True)


@cache
def reachable(module: str) -> frozenset[str]:
    """The module, all modules of the package that it imports, transitively, and the packages they lie in."""
    graph = _graph()
    if module not in graph.modules:
        raise UserError(f"src/{module.replace('.', '/')}.py: wanted this module of the package, found none")
    found = {module, *graph.find_upstream_modules(module)}
    parents = {".".join(name.split(".")[:k]) for name in found for k in range(1, name.count(".") + 1)}
    return frozenset(found | parents)


@cache
def _module_digest(name: str) -> str:
    """SHA-256 of a module's normal form, in hex."""
    location = importlib.util.find_spec(name).origin
    try:
        return store.digest(normal_form(Path(location).read_text(encoding="utf-8")))
    except SyntaxError as error:
        raise UserError(f"{location}: line {error.lineno}: wanted Python, found {error.msg}") from error


def _form(value: object) -> str:
    """The normal form of a node, a list of nodes or a constant."""
    if isinstance(value, list):
        return "[" + " ".join(_form(item) for item in value if not _is_docstring(item)) + "]"
    if not isinstance(value, ast.AST):
        return ascii(value)
    fields = ((name, _field(value, name)) for name in value._fields)
    inner = " ".join(f"{name}={_form(content)}" for name, content in fields if content not in (None, []))
    return f"{type(value).__name__}({inner})"


def _is_docstring(node: object) -> bool:
    """Whether a statement is a text by itself, which does nothing: a docstring of anything."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _field(node: ast.AST, name: str) -> object:
    """A field's content, with f-string pieces joined; None for what carries no meaning."""
    content = getattr(node, name, None)
    if name in ("type_comment", "type_ignores", "ctx") or (name == "kind" and isinstance(node, ast.Constant)):
        return None
    if name == "values" and isinstance(node, ast.JoinedStr):
        return _joined(content)
    return content


def _joined(pieces: list[ast.expr]) -> list[ast.expr]:
    """The pieces of an f-string with neighbouring texts made one and empty texts dropped."""
    joined: list[ast.expr] = []
    for piece in pieces:
        if not isinstance(piece, ast.Constant):
            joined.append(piece)
        elif joined and isinstance(joined[-1], ast.Constant):
            joined[-1] = ast.Constant(joined[-1].value + piece.value)
        elif piece.value:
            joined.append(piece)
    return joined
