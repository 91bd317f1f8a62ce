"""What every test may use: servers of the suite's own, a cast of people, and no network beyond this machine."""

import gc
import shutil
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.test.utils import setup_databases, teardown_databases

from config import embedded

LOOPBACK = ("127.", "::1", "localhost")


class NetworkBlocked(RuntimeError):
    """A test reached for an address that is not this machine's."""


def pytest_collection_finish() -> None:
    """What is imported and collected stays to the end: the garbage collector need not go through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            raise NetworkBlocked(f"a test tried to reach {address[0]}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, on a server of the suite's own; also for tests that reach it only through other processes."""
    embedded.ensure(settings.DATA_DIR, throwaway=True)
    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False)
    yield
    with django_db_blocker.unblock():
        teardown_databases(databases, verbosity=0)
    shutil.rmtree(settings.DATA_DIR / "files", ignore_errors=True)


@pytest.fixture(scope="module")
def module_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A transaction around a module's tests, for rows that all of them start from; what each test does is undone."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="session")
def _processes(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    from config.tests.outside import Outside
    from config.tests.stack import Stack

    with Outside() as outside, django_db_blocker.unblock():
        stack = Stack(outside)
        yield stack
        stack.stop()


@pytest.fixture
def stack(_processes: Any, django_db_blocker: Any) -> Iterator[Any]:
    """Real web and runner processes on an empty database, with a fake outside world: see `config.tests.stack`."""
    from config.tests.stack import empty_database, wait_until

    with django_db_blocker.unblock():
        connection.close()
        wait_until(_database_answers, 30)  # a test before this one may have killed the server
        empty_database()  # also sets the ids back that tests in transactions have used up
        _processes.start()
        _processes.outside.begin_anew()
        yield _processes
        _processes.keep_only("web", "runner")  # no other test expects more
        connection.close()
        empty_database()


@pytest.fixture(scope="module")
def old_spa(_processes: Any, django_db_blocker: Any) -> Iterator[Any]:
    """A server set up for the old system's SPA, for all tests of a module: see `config.tests.old_spa`."""
    from config.tests.old_spa import serving

    with django_db_blocker.unblock(), serving(_processes) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, headless: see `config.tests.browser`."""
    from config.tests.browser import launched

    with launched() as browser:
        yield browser


def _database_answers() -> bool:
    try:
        connection.ensure_connection()
    except OperationalError:
        return False
    return True


@pytest.fixture
def fake_linear(settings: Any) -> Iterator[Any]:
    """Linear on this machine, and this process connected to it: see `integrations.tests.fake_linear`."""
    from integrations.tests.fake_linear import KEY, TEAM_KEY, FakeLinear

    with FakeLinear() as server:
        settings.LINEAR_API_URL = f"{server.url}/graphql"
        settings.LINEAR_ACCESS_KEY, settings.LINEAR_TEAM_KEY = KEY, TEAM_KEY
        settings.LINEAR_SECONDS = 0.4
        yield server


@pytest.fixture
def alice(db: None) -> Any:
    """Owns what the tests make."""
    return make_user("alice@example.org")


@pytest.fixture
def bob(db: None) -> Any:
    """A colleague."""
    return make_user("bob@example.org")


@pytest.fixture
def olivia(db: None) -> Any:
    """An operator."""
    return make_user("olivia@example.org", operator=True)


def make_user(email: str, *, operator: bool = False) -> Any:
    from accounts.services import get_or_make_user

    return get_or_make_user(email=email, operator=operator)


def signed_in(user: Any) -> Client:
    """A client with a session of this user."""
    from accounts.services import open_session

    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = open_session(user=user)
    return client


@pytest.fixture
def alices(alice: Any) -> Client:
    return signed_in(alice)


@pytest.fixture
def bobs(bob: Any) -> Client:
    return signed_in(bob)


@pytest.fixture
def olivias(olivia: Any) -> Client:
    return signed_in(olivia)


@pytest.fixture(scope="session")
def _s3() -> Iterator[Any]:
    from integrations.tests.fake_s3 import FakeS3

    with FakeS3() as server:
        yield server


@pytest.fixture
def bucket(_s3: Any, settings: Any) -> Any:
    """Files are kept in an empty bucket of a server that speaks S3."""
    _s3.empty()
    for name, value in _s3.settings.items():
        setattr(settings, name, value)
    return _s3


@pytest.fixture
def folder(settings: Any, tmp_path: Any) -> Any:
    """Files are kept in an empty folder."""
    settings.DATA_DIR = tmp_path
    return tmp_path / "files"


@pytest.fixture(params=["folder", "bucket"])
def file_place(request: pytest.FixtureRequest) -> str:
    """Files are kept in one place, then in the other."""
    request.getfixturevalue(request.param)
    return str(request.param)
