import json
from pathlib import Path
from typing import Any

import pytest

from config.tests.stack import Member, Stack, chat_path, said, text_of
from integrations.tests.fixtures.chatgpt import *  # noqa: F403
