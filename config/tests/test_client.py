"""Types generated from the API's document compile strictly, and a client that uses them does what they say."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.tests.node import RUN_SECONDS, installed, npm
from config.tests.stack import Stack

CLIENT = BASE_DIR / "docs" / "client"
RUN = """
import { Draftloom, Outdated, Refused, importAndEdit } from "./example.js";
const client = new Draftloom(process.env.ADDRESS, { Cookie: `session_token=${process.env.SESSION}` });
const draft = await importAndEdit(client, "User: How do notes work offline?\\n\\nAssistant: Keep them on the device.");
const said = [];
const words = { message: "Hi", llm_provider: "openai", llm_model: "gpt-4o" };
for await (const event of client.say(draft.conversation_id, words)) said.push(event.type);
const listed = await client.conversations(1);
const edit = { title: "Mine", description: "Mine" };
const outdated = await client.saveDraft(draft.conversation_id, edit, '"old"').catch((error) => error);
const refused = await client.draft(999999).catch((error) => error);
const there = outdated instanceof Outdated && outdated.problem.current;
const code = refused instanceof Refused && refused.problem.code;
console.log(JSON.stringify({ draft, said, listed, there, refused: code }));
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as JavaScript, with the types of the document that is kept."""
    folder, made = installed(CLIENT), tmp_path_factory.mktemp("client")
    for arguments in (["run", "types"], ["exec", "--", "tsc", "--outDir", str(made)]):
        done = npm(folder, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    (made / "package.json").write_text('{"type": "module"}')
    return made


def test_the_generated_types_compile_strictly(compiled: Path) -> None:
    options = json.loads((CLIENT / "tsconfig.json").read_text("utf-8"))["compilerOptions"]
    assert all(options[name] for name in ("strict", "noUncheckedIndexedAccess", "exactOptionalPropertyTypes"))
    assert (compiled / "example.js").exists() and (compiled / "refused.js").exists()
    types = (CLIENT / "api.d.ts").read_text("utf-8")
    assert 'type: "content"' in types and "ImportEvent" in types and "unknown;" not in types.partition("operations")[0]


def test_the_client_imports_edits_and_chats(stack: Stack, compiled: Path) -> None:
    (compiled / "run.js").write_text(RUN)
    environment = {"PATH": os.environ["PATH"], "ADDRESS": stack.url, "SESSION": stack.cookie_for("alice@example.org")}
    done = subprocess.run(
        ["node", "run.js"], cwd=compiled, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS
    )
    assert done.returncode == 0, done.stderr
    *shown, last = done.stdout.splitlines()
    told = json.loads(last)
    assert shown[0].startswith("Run ") and "generating" in shown
    assert told["draft"]["active_version"]["is_manual_edit"] is True
    assert told["draft"]["active_version"]["title"] == told["listed"][0]["title"]
    assert (told["said"][0], told["said"][-1]) == ("run", "done")
    assert told["there"]["project_draft"] == told["draft"]
    assert told["refused"] == "conversation_not_found"


def test_the_lock_file_names_no_address() -> None:
    lock = (CLIENT / "package-lock.json").read_text("utf-8")
    assert "://" not in lock and "resolved" not in lock
    packages = json.loads(lock)["packages"]
    assert all(package["integrity"].startswith("sha512-") for name, package in packages.items() if name)
    wanted = json.loads((CLIENT / "package.json").read_text("utf-8"))["devDependencies"]
    assert packages[""]["devDependencies"] == wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
