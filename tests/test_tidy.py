"""The rules of the house that can be checked by reading it. Each says why it is one."""

import ast
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
import pytest

import domain.catalogue  # noqa: F401  (fills the catalogues)
from domain.command import commands
from domain.event import DECIDED, Event, events, field_doc, payload_fields

ROOT = Path(__file__).parent.parent
ROOMS = ("domain", "ledger", "projections", "api")
"""In the order in which they may know one another: each imports only from those before it."""
TOP = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "README.md", "api",
    "constraints.txt", "docker-compose.yml", "docs", "domain", "ledger", "migrations", "projections", "pyproject.toml",
    "tests",
}  # fmt: skip
LINES_MAX = 400
"""Why: what is longer is two files that have not been told apart yet."""
ALONE = {"ledger/verifier.py": 1_000}
"""Why: auditors copy the verifier out, so it must be one file whatever it checks."""
FUNCTION_MAX = 70
"""Why: a function that does not fit on a screen does more than one thing."""


class Source(NamedTuple):
    """A Python file of a room."""

    room: str
    path: Path
    tree: ast.Module

    def at(self, node: ast.AST) -> str:
        """Where a node stands, for who has to mend it."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def sources(*rooms: str) -> Iterator[Source]:
    """The Python files of the rooms."""
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield Source(room, path, ast.parse(path.read_text("utf-8")))


def imported(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The absolute names of imported modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node


def tracked() -> list[Path]:
    """The files under version control."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("needs a clone with git: only what is under version control is judged")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


# The house.


def test_a_room_imports_only_from_rooms_before_it() -> None:
    """Why: who reads the domain need not know the database, and a read model cannot come to write entries."""
    faults = [
        f"{source.at(node)} imports {name}"
        for source in sources(*ROOMS)
        for name, node in imported(source.tree)
        if (room := name.partition(".")[0]) in (*ROOMS, "tests")
        and (room == "tests" or ROOMS.index(room) > ROOMS.index(source.room))
    ]

    assert faults == []


def test_relative_imports_stay_in_their_room() -> None:
    """Why: a path of dots that leads into another room would get round the direction of imports."""
    faults = [
        source.at(node)
        for source in sources(*ROOMS)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.level > len(source.path.relative_to(ROOT).parts) - 1
    ]

    assert faults == []


def test_the_domain_knows_no_input_or_output_no_clock_and_no_chance() -> None:
    """Why: a decision must come out the same in a test, in a replay and ten years from now."""
    libraries = {"msgspec", "eventsourcing"}
    pure = {
        "__future__", "abc", "ast", "collections", "dataclasses", "datetime", "enum", "functools", "importlib",
        "inspect", "itertools", "pkgutil", "re", "textwrap", "typing", "uuid",
    }  # fmt: skip
    restless = {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7", "open", "print", "input"}

    foreign = [
        f"{source.at(node)} imports {name}"
        for source in sources("domain")
        for name, node in imported(source.tree)
        if name.partition(".")[0] not in libraries | pure | {"domain"}
    ]
    called = [
        f"{source.at(node)} calls {name}"
        for source in sources("domain")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and (name := getattr(node.func, "attr", getattr(node.func, "id", ""))) in restless
    ]

    assert foreign + called == []


def test_only_the_ledger_and_the_engine_of_read_models_write() -> None:
    """Why: what may change the database is looked for in two places, and nothing else needs the right to."""
    writing = re.compile(
        r"^\s*(WITH\b.*\b)?(INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|TRUNCATE|MERGE\s+INTO|COPY\s.*\sFROM|"
        r"CREATE\s+(TABLE|VIEW|INDEX|SCHEMA|ROLE|FUNCTION|UNLOGGED)|ALTER\s+|DROP\s+|GRANT\s+|REVOKE\s+)",
        re.DOTALL,
    )
    engine = ROOT / "projections" / "engine"

    faults = [
        source.at(node)
        for source in sources("domain", "projections", "api")
        if engine not in source.path.parents
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and writing.match(node.value)
    ]

    assert faults == []


def test_where_a_warning_of_insecurity_is_silenced_the_reason_stands_beside_it() -> None:
    """Why: SQL made of text, for one, is how a value comes to be executed; who allows it says why it cannot be."""
    silenced = re.compile(r"#\s*noqa:[^#\n]*\bS\d+(?![^#\n]*\()")

    faults = [
        f"{source.path.relative_to(ROOT)}:{number}"
        for source in sources(*ROOMS)
        for number, line in enumerate(source.path.read_text("utf-8").splitlines(), 1)
        if silenced.search(line)
    ]

    assert faults == []


def test_no_module_is_a_drawer_for_what_has_no_place() -> None:
    """Why: such a file is what everybody adds to and nobody can name the purpose of."""
    drawers = {"utils", "util", "common", "helpers", "helper", "base", "manager", "managers", "misc", "shared", "core"}

    faults = [str(source.path) for source in sources(*ROOMS, "tests") if source.path.stem in drawers]
    folders = [path.name for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*/") if path.name in drawers]

    assert faults + folders == []


def test_nothing_stands_at_the_top_that_does_not_belong_there() -> None:
    """Why: the listing of the top is the first page a newcomer reads."""
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP


def test_files_are_short() -> None:
    """Why: a file is read whole, or not at all."""
    long = {
        name: lines
        for source in sources(*ROOMS, "migrations", "tests")
        if (lines := len(source.path.read_text("utf-8").splitlines()))
        > ALONE.get(name := str(source.path.relative_to(ROOT)), LINES_MAX)
    }

    assert long == {}


def test_functions_are_short() -> None:
    """Why: a function is understood by being seen at once."""
    long = [
        f"{source.at(node)} {node.name}: {length}"
        for source in sources(*ROOMS, "migrations")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_MAX
    ]

    assert long == []


def test_a_limit_says_why_it_is_what_it_is() -> None:
    """Why: a number without its reason is never raised when it should be, and always when it should not."""
    faults = [
        f"{source.at(statement)} {name}"
        for source in sources(*ROOMS)
        for statement, following in zip(source.tree.body, [*source.tree.body[1:], None], strict=False)
        if (name := _assigned(statement)).endswith("_MAX") and not _says_why(following)
    ]

    assert faults == []


def _assigned(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""


def _says_why(statement: ast.stmt | None) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return text.startswith("Why: ")
    return False


def test_everything_public_says_what_it_is_for() -> None:
    """Why: the reference pages and the schema are made of these sentences.

    Only ``apply`` goes without: in every event it assigns what the event says.
    """
    faults = [
        f"{source.at(node)} {node.name}"
        for source in sources(*ROOMS, "migrations")
        for node in _public(source.tree)
        if not ast.get_docstring(node)
    ]

    assert faults == []


Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[Documented]:
    """The public classes and functions of a module or class, and those within public classes."""
    for node in tree.body:
        if not isinstance(node, Documented) or node.name.startswith("_"):
            continue
        if (node.name == "apply" and isinstance(tree, ast.ClassDef)) or _overloads(node):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node)


def _overloads(node: Documented) -> bool:
    """Whether it stands for another definition that says it: an overload, or the setter of a property."""
    return any(ast.unparse(found).endswith(("overload", ".setter")) for found in node.decorator_list)


def test_every_file_says_what_it_is_for() -> None:
    """Why: the first line of a file is what a search shows."""
    assert [str(source.path) for source in sources(*ROOMS, "migrations") if not ast.get_docstring(source.tree)] == []


# The words of the ledger.


@pytest.fixture(params=sorted(name for name in events() if "<locals>" not in name))
def event(request: pytest.FixtureRequest) -> type[Event]:
    """Each event of the domain."""
    return events()[request.param]


def parts(hint: Any) -> Iterator[Any]:
    """A type and all that it is made of, fields of structs included."""
    yield hint
    if get_origin(hint) is Annotated:
        yield from parts(get_args(hint)[0])
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        for inner in get_type_hints(hint, include_extras=True).values():
            yield from parts(inner)
    else:
        for inner in get_args(hint):
            yield from parts(inner)


def payload(event: type[Event]) -> dict[str, Any]:
    """The types of an event's payload fields."""
    hints = get_type_hints(event, include_extras=True)
    return {field: hints[field] for field in payload_fields(event)}


def test_payloads_hold_no_floats(event: type[Event]) -> None:
    """Why: the canonical bytes of a float depend on who writes them, and money is not a fraction of two."""
    assert [field for field, hint in payload(event).items() if float in parts(hint)] == []


def test_personal_text_stands_where_it_is_sealed(event: type[Event]) -> None:
    """Why: the vault seals the text of a payload field; within a list or a struct it would be kept in clear."""

    def personal(hint: Any) -> bool:
        extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        return any(isinstance(extra, msgspec.Meta) and (extra.extra or {}).get("personal") for extra in extras)

    for field, hint in payload(event).items():
        outer = {id(part) for part in (hint, *get_args(hint))}
        assert [part for part in parts(hint) if personal(part) and id(part) not in outer] == [], field


def test_every_event_and_each_of_its_fields_is_described(event: type[Event]) -> None:
    """Why: auditors read the schema, not the code."""
    assert event.__doc__ and "." in event.__doc__
    assert [field for field in payload_fields(event) if not field_doc(event, field)] == []


def test_what_is_decided_can_be_left_out(event: type[Event]) -> None:
    """Why: a caller must not be asked for what the command decides."""
    required = {field.name for field in msgspec.structs.fields(event) if field.required}

    assert [field for field, hint in payload(event).items() if DECIDED in get_args(hint) and field in required] == []


def test_every_command_is_described_and_given_by_somebody() -> None:
    """Why: the mutation and its page are made of this."""
    faults = [found.name for found in commands() if not found.doc.endswith(".") or not found.roles]

    assert faults == []


def test_events_are_facts_and_commands_are_wishes() -> None:
    """Why: the name alone must say whether something happened or is asked for."""
    wishes = {found.name.partition("_")[0] for found in commands()}
    facts = {name.partition(".")[2] for name in events()}

    assert [name for name in facts if name.lower() in wishes] == []
    assert [found.name for found in commands() if not re.fullmatch(r"[a-z]+(_[a-z]+)+", found.name)] == []


# What leaves the house.


def texts(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The text files among the paths."""
    for path in paths:
        try:
            yield path, path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("a path of one machine", r"(?<![\w.~-])/(work|root|home|Users)/\w"),
        ("the address of a package registry", r"(?i)(extra-)?index[-_]url|https?://[^\s\"']*(pypi|pythonhosted|artifactory|nexus)"),
        ("a private key", "-----BEGIN [A-Z ]*PRIVATE KEY"),
        ("a conflict that was not settled", r"(?m)^(<{7}|>{7}) "),
    ],
)  # fmt: skip
def test_nothing_leaves_the_house_that_is_of_use_to_nobody_else(what: str, found: str) -> None:
    """Why: what is cloned elsewhere must work elsewhere, and give nothing away."""
    pattern = re.compile(found)
    here = Path(__file__)

    faults = [
        f"{path.relative_to(ROOT)} holds {what}: {hit.group(0)}"
        for path, text in texts(path for path in tracked() if path != here)
        if (hit := pattern.search(text))
    ]

    assert faults == []


def test_dependencies_are_pinned_once() -> None:
    """Why: a build of today and one of next year are the same build."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line.strip() and not line.startswith("#")]

    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][^ ]*( ; .+)?", pin)] == []
    names = [pin.partition("==")[0].lower() for pin in pins]
    assert sorted(set(names)) == sorted(names)


# The rules themselves.


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (lambda tree: [name for name, _ in imported(tree)], "import api.cli\nfrom api import wiring"),
        (lambda tree: [node for node in _public(tree) if not ast.get_docstring(node)], "def a(): ...\nclass B: ..."),
    ],
)
def test_the_readers_used_above_find_what_they_look_for(rule: Callable[[ast.Module], list[Any]], text: str) -> None:
    """Why: a check that finds nothing anywhere is no check."""
    assert len(rule(ast.parse(text))) == 2
