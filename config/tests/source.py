"""The project's own source, as the tests of its rules read it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from config.env import BASE_DIR

APPS = ("accounts", "chat", "conversations", "drafts", "integrations", "llmconfig", "search")
FOLDERS = (*APPS, "bench", "config")


@dataclass(frozen=True)
class Module:
    """`path` is relative to the project's folder."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def name(self) -> str:
        """As it is imported: `config.embedded` for `config/embedded/__init__.py`."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def is_test(self) -> bool:
        return "/tests/" in self.path or self.path == "conftest.py"

    @property
    def is_migration(self) -> bool:
        return "/migrations/" in self.path

    @property
    def written_lines(self) -> int:
        """Lines that are not blank."""
        return sum(bool(line.strip()) for line in self.text.splitlines())

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of everything imported, wherever in the module: `from a import b` is `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@cache
def modules() -> tuple[Module, ...]:
    """Every Python module of the project."""
    files = [*BASE_DIR.glob("*.py"), *(file for folder in FOLDERS for file in BASE_DIR.joinpath(folder).rglob("*.py"))]
    return tuple(Module(str(file.relative_to(BASE_DIR)), file.read_text("utf-8")) for file in sorted(files))


def product() -> tuple[Module, ...]:
    """What people write and run: without tests and migrations."""
    return tuple(module for module in modules() if not (module.is_test or module.is_migration))
