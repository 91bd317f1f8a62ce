/** Watching runs: server-sent events over `fetch`, rejoined for as long as the run goes on. */

import { isOutage, request } from "./api.js";

const TERMINAL = new Set(["done", "error", "cancelled", "conflict", "model_limit_conflict"]);
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5000;
const LONGEST_SILENCE = 45_000; // the server sends a comment every 15 s

/** The events in a body, as `{id, data}`; an event that the end cuts off is dropped, as the standard says. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let id = "";
  let data = [];
  for (let chunk; !(chunk = await reader.read()).done; ) {
    const lines = (rest + chunk.value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop(); // also a "\r" at the end: a "\n" may follow
    for (const line of lines) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "id") id = value;
      else if (name === "data") data.push(value);
      else if (line === "" && data.length) {
        yield { id, data: data.join("\n") };
        data = [];
      }
    }
  }
}

/**
 * Calls `onEvent` with each event of a run, replayed from its start or live, and rejoins when the connection breaks.
 *
 * `response` is the answer that started the run, if this page did. `onLink(isUp)` tells of the connection. Resolves to
 * the terminal event, or to null if the run has ended and nothing tells how. Rejects with `Problem` or `AbortError`.
 */
export async function follow(runId, { response, signal, onEvent, onLink }) {
  let last = "";
  let pause = FIRST_PAUSE;
  for (;;) {
    const attempt = new AbortController();
    const leave = () => attempt.abort();
    signal.addEventListener("abort", leave);
    try {
      response ??= await rejoin(runId, last, attempt.signal);
      if (response.status === 204) return null;
      onLink(true);
      for await (const event of events(watched(response.body, attempt))) {
        last = event.id;
        pause = FIRST_PAUSE;
        const told = JSON.parse(event.data);
        onEvent(told);
        if (TERMINAL.has(told.type)) return told;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isOutage(error)) throw error;
    } finally {
      signal.removeEventListener("abort", leave);
      attempt.abort();
    }
    signal.throwIfAborted();
    onLink(false);
    response = null;
    await visibleAfter(pause, signal);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}

/** The address of a stream, in the dialect that `events` reads, whatever the server's own is. */
export const streamAt = (path) => `${path}?dialect=sse`;

function rejoin(runId, last, signal) {
  const headers = last ? { "Last-Event-ID": last } : {};
  return request("GET", streamAt(`/api/runs/${runId}/events`), undefined, { headers, signal });
}

/** The same bytes; fails when `attempt` is aborted, which a long silence does: the connection is dead then. */
function watched(body, attempt) {
  let timer;
  const wind = () => {
    clearTimeout(timer);
    timer = setTimeout(() => attempt.abort(), LONGEST_SILENCE);
  };
  const pass = { start: wind, transform: (chunk, out) => (wind(), out.enqueue(chunk)) };
  attempt.signal.addEventListener("abort", () => clearTimeout(timer));
  return body.pipeThrough(new TransformStream(pass), { signal: attempt.signal });
}

/** Waits some milliseconds, and then until somebody looks at the page. */
async function visibleAfter(milliseconds, signal) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  while (document.hidden && !signal.aborted) {
    await new Promise((resolve) => {
      document.addEventListener("visibilitychange", resolve, { once: true });
      signal.addEventListener("abort", resolve, { once: true });
    });
  }
  signal.throwIfAborted();
}

/** `paint`, at most once a frame however often it is asked for. */
export function oncePerFrame(paint) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      paint();
    });
  };
}
