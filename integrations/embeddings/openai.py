"""OpenAI's embeddings, and every server that speaks them."""

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from urllib.parse import urlsplit

import httpx2
import orjson

from integrations.embeddings.base import DIMENSIONS, Embedded, fitted
from integrations.llm.errors import LLMError, NotConfigured, ProviderRefused, ProviderUnavailable
from integrations.llm.refusals import refusal

# OpenAI takes 2,048 inputs and 300,000 tokens in a request and 8,191 tokens in an input. A token is at least a byte,
# so bytes need no tokenizer. Small requests lose less when one fails, and let several run side by side.
INPUTS_PER_REQUEST = 128
BYTES_PER_REQUEST = 256_000
BYTES_PER_INPUT = 8_000

REQUESTS_AT_ONCE = 4
ATTEMPTS = 3
BACKOFF_SECONDS = 0.5
CONNECT_SECONDS, REQUEST_SECONDS = 5.0, 30.0
ANSWER_BYTES = 64 * 1024 * 1024
REFUSAL_BYTES = 64 * 1024


class OpenAIEmbedder:
    """`name` is `openai/<model>`. A model with more numbers than fit is asked for as many as do."""

    def __init__(self, name: str, api_key: str, base_url: str) -> None:
        self.name = name
        self._model = name.partition("/")[2]
        self._key, self._url = api_key, base_url.rstrip("/") + "/embeddings"
        self._shorter = False

    def embed(self, texts: Sequence[str], *, seconds: float) -> Embedded:
        deadline = time.monotonic() + seconds
        requests = list(batches(texts))
        if len(requests) == 1:  # a query does not queue behind an import
            return self._ask(requests[0], deadline)
        answers = list(self._threads.map(lambda request: self._ask(request, deadline), requests))
        vectors = [vector for answer in answers for vector in answer.vectors]
        return Embedded(vectors, sum(answer.tokens for answer in answers))

    def _ask(self, texts: list[str], deadline: float) -> Embedded:
        """The only retry loop: while the error may pass, and the wait for another attempt ends before the deadline."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._ask_once(texts, deadline)
            except LLMError as error:
                wait = error.retry_after
                if wait is None:
                    wait = BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
                if not error.retryable or attempt == ATTEMPTS or time.monotonic() + wait >= deadline:
                    raise
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _ask_once(self, texts: list[str], deadline: float) -> Embedded:
        found, tokens = self._post(texts, deadline)
        if len(found[0]) > DIMENSIONS and not self._shorter:
            self._shorter = True
            found, tokens = self._post(texts, deadline)
        return Embedded([fitted(self.name, numbers) for numbers in found], tokens)

    def _post(self, texts: list[str], deadline: float) -> tuple[list[list[float]], int]:
        """One request: a list of numbers for each text, and the tokens that it cost."""
        body = {"model": self._model, "input": texts} | ({"dimensions": DIMENSIONS} if self._shorter else {})
        status, headers, content = self._exchange(orjson.dumps(body), deadline)
        if status != 200:
            raise refusal(self.name, status, headers, content)
        return self._read(content, len(texts))

    def _exchange(self, body: bytes, deadline: float) -> tuple[int, httpx2.Headers, bytes]:
        """Status, headers and body of the answer to a POST, all of it before the deadline."""
        left = min(deadline - time.monotonic(), REQUEST_SECONDS)
        timeout = httpx2.Timeout(max(left, 0.001), connect=max(min(left, CONNECT_SECONDS), 0.001))
        try:
            with self._client.stream("POST", self._url, content=body, timeout=timeout) as response:
                most = ANSWER_BYTES if response.status_code == 200 else REFUSAL_BYTES
                return response.status_code, response.headers, self._content(response, most, deadline)
        except httpx2.HTTPError:
            raise ProviderUnavailable(f"{self.name} could not be reached or did not answer in time.") from None

    def _content(self, response: httpx2.Response, most: int, deadline: float) -> bytes:
        content = bytearray()
        for piece in response.iter_bytes():
            content += piece
            if time.monotonic() > deadline:
                raise ProviderUnavailable(f"{self.name} did not answer in time.")
            if len(content) > most:
                break
        return bytes(content)

    def _read(self, content: bytes, wanted: int) -> tuple[list[list[float]], int]:
        """What a 200 says. Raises `ProviderRefused` for anything but one list of numbers for each input."""
        try:
            answer = orjson.loads(content)
            rows = sorted(answer["data"], key=lambda row: row.get("index", 0))
            found = [[float(number) for number in row["embedding"]] for row in rows]
            tokens = int((answer.get("usage") or {}).get("prompt_tokens") or 0)
        except (ValueError, TypeError, LookupError, AttributeError):
            raise ProviderRefused(f"{self.name} answered with something else than vectors.") from None
        if len(found) != wanted:
            raise ProviderRefused(f"{self.name} gave {len(found)} vectors for {wanted} texts.")
        return found, tokens

    @cached_property
    def _client(self) -> httpx2.Client:
        if not (self._key.isascii() and self._key.isprintable() and _is_address(self._url)):
            raise NotConfigured(f"The key or the address that is set for {self.name} is mistyped.")
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        return httpx2.Client(headers=headers)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """For requests side by side: no more at once in this process than this has threads."""
        return ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="embeddings")


def batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in their order, in as few requests as the limits allow; what is too long for one input is cut."""
    batch: list[str] = []
    used = 0
    for text in texts:
        encoded = text.encode()[:BYTES_PER_INPUT]
        if batch and (len(batch) == INPUTS_PER_REQUEST or used + len(encoded) > BYTES_PER_REQUEST):
            yield batch
            batch, used = [], 0
        batch.append(encoded.decode(errors="ignore"))
        used += len(encoded)
    if batch:
        yield batch


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
