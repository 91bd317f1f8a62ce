"""How well search finds what is meant: `python -m bench quality [--model MODEL] [--misses]`.

400 conversations of the project's own are indexed on servers of their own, and questions of five kinds are asked, each
of which means one of them. MRR is the mean of 1/place, hit@k the share of questions whose conversation stands among the
first k; `fusion` is the answer of `GET /api/search`, `words` and `meaning` are the lists that it is made of.
"""

import argparse
import os
import tempfile
from pathlib import Path

import django

from config import embedded, env


def _measure(given: argparse.Namespace) -> None:
    from accounts.services import get_or_make_user
    from search.tests import quality

    user = get_or_make_user(email="bench@example.org")
    quality.load(user)
    questions = quality.questions()
    asked = [quality.ask(user, question) for question in questions]
    print(f"{len(questions)} questions, {given.model}:")
    print("\n".join(quality.report(asked)))
    if given.misses:
        for question, places in zip(questions, asked, strict=True):
            if places.fusion != 1:
                print(f"{places.words:>4}{places.meaning:>4}{places.fusion:>4}  {question.typed} → {question.title}")


def _run(data_dir: Path, given: argparse.Namespace) -> None:
    kept = {name: env.text(name) for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")}
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "APP_ENV": "local", "DATA_DIR": str(data_dir)}
    os.environ |= dict.fromkeys(env.VARIABLES, "") | kept | ours | {"EMBEDDING_MODEL": given.model}
    embedded.ensure(data_dir, throwaway=True)
    django.setup()
    from django.core.management import call_command

    try:
        call_command("migrate", verbosity=0)
        _measure(given)
    finally:
        embedded.leave(data_dir, wait_seconds=10)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench quality", description=__doc__)
    parser.add_argument("--model", default="offline", help="as EMBEDDING_MODEL (offline)")
    parser.add_argument("--misses", action="store_true", help="also name the questions that were not answered first")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="draftloom-bench-") as folder:
        _run(Path(folder), given)


if __name__ == "__main__":
    main()
