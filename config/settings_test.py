"""Settings of the test suite: local mode on servers of its own, whatever the environment says."""

import os

from config.env import BASE_DIR, VARIABLES

os.environ |= dict.fromkeys(VARIABLES, "") | {  # set to nothing, so that no `.env` speaks up
    "APP_ENV": "local",
    "DATA_DIR": os.environ.get("TEST_DATA_DIR", str(BASE_DIR / ".data-test"))
    + os.environ.get("PYTEST_XDIST_WORKER", ""),
    "SECRET_KEY": "only-for-tests-" + "0123456789" * 5,
    "LOG_LEVEL": "WARNING",
    "LIMIT_SIGN_INS": "6000/m",  # all tests share an address
}

from config.settings import *  # noqa: E402, F403 - after the environment is settled

WHITENOISE_AUTOREFRESH = True  # files are looked up when asked for: a scan of all for each test client costs 10 ms
