"""The project as a whole: its migrations, its checks in production, and what it says when it is set up wrongly."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command

from config import limits
from config.env import BASE_DIR, VARIABLES
from config.tests.source import modules

SECRET = "a-secret-of-at-least-fifty-characters-that-nobody-uses"
PRODUCTION = {"SECRET_KEY": SECRET, "ALLOWED_HOSTS": "draftloom.example.org", "OPENAI_API_KEY": "sk-none"}
SECONDS = 60
PAGES = [str(page.relative_to(BASE_DIR)) for page in sorted(BASE_DIR.glob("docs/*.md"))]


def check(tmp_path: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check` in an environment with these variables of ours and no other."""
    return manage(tmp_path, "check", *options, **variables)


def manage(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = dict.fromkeys(VARIABLES, "") | {"DATA_DIR": str(tmp_path)} | variables  # set, if only to nothing: no `.env`
    others = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=BASE_DIR, env=others | ours, capture_output=True, text=True, timeout=SECONDS)


def deployed(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return check(tmp_path, "--deploy", "--fail-level", "WARNING", **PRODUCTION | variables)


@pytest.mark.django_db
def test_it_has_a_migration_for_every_change_of_a_model():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_it_passes_every_check_of_a_deployment(tmp_path: Path):
    done = deployed(tmp_path)
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


def test_it_passes_the_checks_on_a_developers_machine(tmp_path: Path):
    done = check(tmp_path, "--fail-level", "WARNING", APP_ENV="local")
    assert done.returncode == 0, done.stderr


def test_it_warns_of_a_deployment_without_a_model(tmp_path: Path):
    done = deployed(tmp_path, OPENAI_API_KEY="")
    assert done.returncode == 1
    hint = "HINT: Set one of OPENAI_API_KEY, ANTHROPIC_API_KEY, XAI_API_KEY."
    assert "config.W001" in done.stderr and hint in done.stderr


def test_it_develops_on_daphne_which_other_processes_need_not_import(tmp_path: Path):
    elsewhere = {"APP_ENV": "local", "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none", "REDIS_URL": "redis://none"}
    assert "--http_timeout" in manage(tmp_path, "runserver", "--help", **elsewhere).stdout
    assert not apps.is_installed("daphne")


@pytest.mark.parametrize(("name", "is_warned"), [("LINEAR_ACCESS_KEY", True), ("LINEAR_TEAM_KEY", True), ("", False)])
def test_it_warns_of_half_a_linear(tmp_path: Path, name: str, is_warned: bool):
    done = check(tmp_path, "--fail-level", "WARNING", APP_ENV="local", **{name or "API_TITLE": "x"})
    assert (done.returncode == 1, "config.W008" in done.stderr) == (is_warned, is_warned)


@pytest.mark.parametrize(
    "variables", [{"XAI_API_KEY": "xai-none"}, {"OPENAI_COMPATIBLE_SERVERS": "ollama=http://127.0.0.1:11434/v1"}]
)
def test_it_takes_any_provider_for_a_model(tmp_path: Path, variables: dict[str, str]):
    assert deployed(tmp_path, OPENAI_API_KEY="", **variables).returncode == 0


def test_it_refuses_a_server_with_the_name_of_a_provider(tmp_path: Path):
    done = check(tmp_path, **PRODUCTION | {"OPENAI_COMPATIBLE_SERVERS": "grok=https://models.example.org/v1"})
    assert done.returncode != 0
    assert "'grok' can't be used." in done.stderr.splitlines()[-1]


def test_it_warns_of_a_deployment_without_a_place_for_files(tmp_path: Path):
    tmp_path.joinpath("in-the-way").write_text("")
    elsewhere = {"DATA_DIR": str(tmp_path / "in-the-way" / "data")}
    done = deployed(tmp_path, **elsewhere)
    assert done.returncode == 1
    assert "config.W002" in done.stderr and "HINT: Set AWS_S3_BUCKET_NAME, or DATA_DIR" in done.stderr
    assert deployed(tmp_path, AWS_S3_BUCKET_NAME="a-bucket", **elsewhere).returncode == 0


def test_it_refuses_a_short_secret_in_a_deployment(tmp_path: Path):
    done = deployed(tmp_path, SECRET_KEY="short")
    assert done.returncode == 1
    assert "config.E002" in done.stderr and "Use at least 50 random characters." in done.stderr


def test_it_refuses_to_fetch_from_elsewhere_outside_local_mode(tmp_path: Path):
    overrides = {"IMPORT_FETCH_OVERRIDES": "chatgpt.com=http://127.0.0.1:9"}
    done = check(tmp_path, **PRODUCTION | overrides)
    assert done.returncode == 1
    assert "config.E001" in done.stderr and "set APP_ENV=local" in done.stderr
    assert check(tmp_path, APP_ENV="local", **overrides).returncode == 0


@pytest.mark.parametrize(
    ("missing", "hint"),
    [
        ("SECRET_KEY", "SECRET_KEY is not set. Production needs one of at least 50 characters"),
        ("ALLOWED_HOSTS", "ALLOWED_HOSTS is not set. Production needs the host names it answers to"),
    ],
)
def test_it_says_what_production_lacks_and_what_to_do(tmp_path: Path, missing: str, hint: str):
    done = check(tmp_path, **PRODUCTION | {missing: ""})
    assert done.returncode != 0
    assert hint in done.stderr.splitlines()[-1]


def test_it_is_in_production_unless_told_otherwise(tmp_path: Path):
    done = check(tmp_path)
    assert "type `make run` (or set APP_ENV=local)" in done.stderr


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PORT": "0"}, "PORT must be a whole number from 1 to 65535, not '0'."),
        ({"DEBUG": "yes"}, "DEBUG must be true or false, not 'yes'."),
        ({"VISIBILITY": "everyone"}, "VISIBILITY must be one of workspace, private, not 'everyone'."),
    ],
)
def test_it_names_the_variable_that_is_mistyped(tmp_path: Path, variables: dict[str, str], message: str):
    done = check(tmp_path, **PRODUCTION | variables)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith(message)


def test_it_says_of_every_direct_dependency_why_it_is_there():
    told = BASE_DIR.joinpath("CONTRIBUTING.md").read_text("utf-8")
    project = tomllib.loads(BASE_DIR.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [line.partition(">")[0].partition("=")[0].partition("[")[0] for line in wanted]
    assert [name for name in names if f"- `{name}`: " not in told] == []


def test_it_prints_every_limit_with_its_value():
    rows = BASE_DIR.joinpath("docs/limits.md").read_text("utf-8").split("\n| `")[1:]
    told = {row.partition("`")[0]: int(row.split(" | ")[1].replace(",", "")) for row in rows}
    assert told == {name: value for name, value in vars(limits).items() if name.isupper()}


def test_it_tests_every_folder_that_holds_tests():
    options = tomllib.loads(BASE_DIR.joinpath("pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    folders = {module.path.split("/")[0] for module in modules() if module.path.rpartition("/")[2].startswith("test_")}
    assert folders <= set(options["testpaths"])


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *PAGES])
def test_it_links_only_to_pages_that_exist(page: str):
    path = BASE_DIR / page
    links = [part.partition(")")[0].partition("#")[0] for part in path.read_text("utf-8").split("](")[1:]]
    local = [link for link in links if link and "://" not in link]
    assert [link for link in local if not (path.parent / link).exists()] == []
