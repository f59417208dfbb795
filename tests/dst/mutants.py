"""Mutants of a module: one small mistake each, made in its syntax tree."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

FLIPS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One: where, what was changed, and the source that it makes."""

    line: int
    where: str
    """The function, or the class, that it is in."""
    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.line}: {self.what}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module."""
    tree = ast.parse(source)
    _mark(tree)
    for node, where in _places(tree, ""):
        for what, change in _changes(node):
            other = copy.deepcopy(tree)
            twin = next(each for each in ast.walk(other) if _id(each) == _id(node))
            change(twin, other)
            ast.fix_missing_locations(other)
            line: int = node.lineno
            yield Mutant(line, where, what, ast.unparse(other))


def _places(node: ast.AST, where: str) -> Iterator[tuple[ast.AST, str]]:
    """Every node, with where it is; not how values are stored and shown, which is no behaviour."""
    if isinstance(node, ast.keyword) and node.arg == "repr":
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}" if where else node.name
    yield node, where
    for name, value in ast.iter_fields(node):
        if name != "decorator_list":
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _places(child, where)


def _mark(tree: ast.AST) -> None:
    for number, node in enumerate(ast.walk(tree)):
        node.number = number


def _id(node: ast.AST) -> int:
    return getattr(node, "number", -1)


def _changes(node: ast.AST):  # noqa: PLR0912 - a table
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in FLIPS:
            for flip in FLIPS[type(op)]:
                yield f"{ast.unparse(node)}: {flip.__name__}", _setter("ops", 0, flip())
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield f"{_short(node)}: {type(other).__name__}", _setter("op", None, other)
        case ast.UnaryOp(op=ast.Not()):
            yield f"{_short(node)}: without not", _replaced(lambda twin: twin.operand)
        case ast.BinOp() if type(node.op) in OPERATORS and not _is_type(node):
            other = OPERATORS[type(node.op)]
            yield f"{_short(node)}: {other.__name__}", _setter("op", None, other())
        case ast.Constant(value=bool()):
            yield f"{node.value}: negated", _setter("value", None, not node.value)
        case ast.Constant(value=int() | float()):
            changed = node.value * 2 if node.value else 1
            yield f"{node.value}: {changed}", _setter("value", None, changed)
            if node.value and node.value != 1:
                yield f"{node.value}: {node.value / 2}", _setter("value", None, node.value / 2)
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            yield (
                f"{_short(node)}: {NAMES[name]}",
                _setter("func", None, ast.Name(NAMES[name], ast.Load())),
            )
        case ast.If():
            yield f"if {_short(node.test)}: never", _setter("test", None, ast.Constant(False))
            yield f"if {_short(node.test)}: always", _setter("test", None, ast.Constant(True))
        case ast.IfExp():
            yield f"{_short(node)}: first", _replaced(lambda twin: twin.body)
            yield f"{_short(node)}: second", _replaced(lambda twin: twin.orelse)
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Continue():
            yield f"{_short(node)}: left out", _replaced(lambda twin: ast.Pass())
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield f"{_short(node)}: left out", _replaced(lambda twin: ast.Pass())


def _short(node: ast.AST) -> str:
    text = ast.unparse(node).replace("\n", " ")
    return text if len(text) <= 70 else text[:67] + "..."


def _is_type(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitOr)


def _setter(name: str, index: int | None, value: object):
    def change(twin: ast.AST, tree: ast.AST) -> None:
        if index is None:
            setattr(twin, name, value)
        else:
            getattr(twin, name)[index] = value

    return change


def _replaced(make):
    def change(twin: ast.AST, tree: ast.AST) -> None:
        for parent in ast.walk(tree):
            for name, child in ast.iter_fields(parent):
                if child is twin:
                    setattr(parent, name, make(twin))
                    return
                if isinstance(child, list) and any(each is twin for each in child):
                    child[:] = [make(twin) if each is twin else each for each in child]
                    return

    return change
