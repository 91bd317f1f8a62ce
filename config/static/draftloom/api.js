/** Requests to the server. */

/** A refusal (RFC 9457): `message` holds its sentences; with 412, `current` what is there now, and `etag` its tag. */
export class Problem extends Error {
  constructor(status, { code = "", detail = "", errors = [], current, etag }) {
    const each = errors.map((error) => (error.field ? `${error.field}: ${error.detail}` : error.detail));
    super(each.join(" ") || detail || `The server answered with status ${status}.`); // `detail` repeats the first error
    Object.assign(this, { status, code, current, etag });
  }
}

/** True where asking again later may help: no answer at all, a server that is away or too busy. */
export const isOutage = (error) => !(error instanceof Problem) || error.status >= 500 || error.status === 429;

/** The answer to a request, its body still to be read. Throws `Problem`, or what `fetch` throws. */
export async function request(method, path, body, { headers = {}, signal } = {}) {
  const options = { method, signal, headers: { ...headers } };
  if (body instanceof FormData) {
    options.body = body;
  } else if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  if (response.ok) return response;
  if (response.status === 401) document.dispatchEvent(new Event("signed-out"));
  throw new Problem(response.status, await response.json().catch(() => ({})));
}

export async function call(method, path, body, options) {
  return (await request(method, path, body, options)).json();
}

/** Does something, and shows in the line `line` why it failed, if it does. */
export async function attempt(line, action) {
  line.hidden = true;
  try {
    return await action();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    const known = error instanceof Problem;
    if (!known && !(error instanceof TypeError)) throw error;
    line.textContent = known ? error.message : "The server cannot be reached. Check the connection and try again.";
    line.hidden = false;
    return undefined;
  }
}
