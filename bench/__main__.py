"""`python -m bench [NAME [OPTIONS]]`: runs one benchmark, or all with their defaults; `--list` only names them."""

import ast
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(file.stem for file in HERE.glob("[a-z]*.py"))


def about(name: str) -> str:
    """What a benchmark says about itself, up to its command line."""
    return (ast.get_docstring(ast.parse(HERE.joinpath(f"{name}.py").read_text("utf-8"))) or "").partition(": `")[0]


def run(name: str, options: list[str]) -> None:
    sys.argv = [name, *options]
    runpy.run_module(f"bench.{name}", run_name="__main__")


def main(arguments: list[str]) -> None:
    if arguments and arguments[0] in NAMES:
        run(arguments[0], arguments[1:])
        return
    if arguments and arguments != ["--list"]:
        raise SystemExit(f"There is no benchmark {arguments[0]!r}; there are: {', '.join(NAMES)}.")
    for name in NAMES:
        print(f"{name}: {about(name)}", flush=True)
        if not arguments:
            run(name, [])


if __name__ == "__main__":
    main(sys.argv[1:])
