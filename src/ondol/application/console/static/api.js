/* Asking the gateway and reading its stream of server-sent events. */

const COMPLETIONS = "/v1/chat/completions";
const EVENT_CHARACTERS_MAX = 4_000_000;
const PAUSE_MS = 300;
const PAUSE_MS_MAX = 5_000;
/** The server lets an answer that nobody reads go on for a minute. */
const AGAIN_FOR_MS = 60_000;

/** The answer could not be had. `message` and `hint` are the server's own words, empty when there were none; `status` 0 means no connection. */
export class AnswerFailed extends Error {
  constructor(status, message = "", hint = "") {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/**
 * Ask a model. Yields the gateway's chunks, already parsed, until the stream says it is done.
 * `place` is where in a thread the question stands: `thread` ("new" or an id) and `parent`, the turn that it follows.
 * With `line` an assistant's answer goes on when the connection is cut, and is read on from there: it has begun(id), lost() and found().
 * Throws AnswerFailed, or an AbortError when `signal` was used; an answer that goes on without its connection is then told to stop.
 */
export async function* ask(model, messages, signal, place = {}, line = null) {
  const told = { progress: true, ...place, ...(line ? { resume: true } : {}) };
  const body = JSON.stringify({ model, stream: true, messages, ondol: told });
  const response = await call(COMPLETIONS, signal, { method: "POST", body, headers: { "content-type": "application/json" } });
  const id = response.headers.get("x-request-id");
  if (line) line.begun(id);
  yield* followed(response, id, signal, line);
}

/** The answer of that id from its beginning, as `ask` gives it: it was asked for before this page was there. */
export async function* readOn(id, signal, line) {
  yield* followed(await call(streamOf(id), signal), id, signal, line);
}

const streamOf = (id) => `/v1/answers/${encodeURIComponent(id)}/stream`;

async function call(path, signal, { headers = {}, ...more } = {}) {
  let response;
  try {
    response = await fetch(path, {
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      headers: { accept: "text/event-stream", "x-ondol-request": "console", ...headers },
      signal,
      ...more,
    });
  } catch (error) {
    throw signal.aborted ? error : new AnswerFailed(0);
  }
  if (!response.ok || !response.body) throw failure(response.status, await response.json().catch(() => null));
  return response;
}

/** The chunks of a stream to its end; where it is cut, those that come behind the last one. */
async function* followed(first, id, signal, line) {
  let response = first;
  let last = "";
  try {
    for (;;) {
      try {
        for await (const event of events(response.body)) {
          last = event.id || last;
          if (event.data === "[DONE]") return;
          const chunk = parse(event.data);
          if (chunk.error) throw failure(502, chunk);
          yield chunk;
        }
      } catch (error) {
        if (signal.aborted || error instanceof AnswerFailed) throw error;
      }
      // The connection ended before the stream did.
      if (!line || !id) throw new AnswerFailed(0);
      line.lost();
      response = await openAgain(id, last, signal);
      line.found();
    }
  } catch (error) {
    if (signal.aborted && line && id) stopAnswer(id);
    throw error;
  }
}

/** Try for a while, each time after a longer pause; at once when the network is back. */
async function openAgain(id, last, signal) {
  const until = Date.now() + AGAIN_FOR_MS;
  for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, PAUSE_MS_MAX)) {
    await pauseFor(pause * (0.5 + Math.random()), signal);
    try {
      return await call(streamOf(id), signal, { headers: last ? { "last-event-id": last } : {} });
    } catch (error) {
      const mayPass = error instanceof AnswerFailed && (error.status === 0 || error.status === 429 || error.status >= 500);
      if (!mayPass || Date.now() > until) throw error instanceof AnswerFailed && error.status === 404 ? new AnswerFailed(0) : error;
    }
  }
}

function pauseFor(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const done = (end) => () => {
      clearTimeout(timer);
      removeEventListener("online", wake);
      signal.removeEventListener("abort", leave);
      end();
    };
    const wake = done(resolve);
    const leave = done(() => reject(signal.reason));
    const timer = setTimeout(wake, milliseconds);
    addEventListener("online", wake);
    signal.addEventListener("abort", leave);
  });
}

/** The asker wants no more of an answer. Whether that arrives is not waited for: nobody reads on, so it ends by itself. */
function stopAnswer(id) {
  const told = { method: "POST", credentials: "same-origin", headers: { "x-ondol-request": "console" }, keepalive: true };
  fetch(`${streamOf(id)}/stop`, told).catch(() => {});
}

function parse(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    throw new AnswerFailed(502);
  }
}

function failure(status, body) {
  const error = body?.error ?? {};
  const text = (value) => (typeof value === "string" ? value : "");
  return new AnswerFailed(status, text(error.message), text(error.hint));
}

/** The id and the data of each event of a byte stream (WHATWG HTML, 9.2.6); comments and other fields are passed over. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let lines = [];
  let id = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      if (rest.length > EVENT_CHARACTERS_MAX) throw new AnswerFailed(502);
      const parts = rest.split(/\r\n|\n|\r(?!$)/);
      rest = parts.pop();
      for (const line of parts) {
        if (line.startsWith("data:")) lines.push(line.slice(line[5] === " " ? 6 : 5));
        if (line.startsWith("id:")) id = line.slice(line[3] === " " ? 4 : 3);
        if (line !== "" || lines.length === 0) continue;
        yield { id, data: lines.join("\n") };
        lines = [];
        id = "";
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
