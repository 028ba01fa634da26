/* Asking the gateway and reading its stream of server-sent events. */

const COMPLETIONS = "/v1/chat/completions";
const EVENT_CHARACTERS_MAX = 4_000_000;

/** The answer could not be had. `message` and `hint` are the server's own words, empty when there were none; `status` 0 means no connection. */
export class AnswerFailed extends Error {
  constructor(status, message = "", hint = "") {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/**
 * Ask an assistant. Yields the gateway's chunks, already parsed, until the stream says it is done.
 * `place` is where in a thread the question stands: `thread` ("new" or an id) and `parent`, the turn that it follows.
 * Throws AnswerFailed, or an AbortError when `signal` was used.
 */
export async function* ask(model, messages, signal, place = {}) {
  let response;
  try {
    response = await fetch(COMPLETIONS, {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      headers: { "content-type": "application/json", accept: "text/event-stream", "x-ondol-request": "console" },
      body: JSON.stringify({ model, stream: true, messages, ondol: { progress: true, ...place } }),
      signal,
    });
  } catch (error) {
    throw signal.aborted ? error : new AnswerFailed(0);
  }
  if (!response.ok || !response.body) throw failure(response.status, await response.json().catch(() => null));
  try {
    for await (const data of events(response.body)) {
      if (data === "[DONE]") return;
      const chunk = parse(data);
      if (chunk.error) throw failure(502, chunk);
      yield chunk;
    }
  } catch (error) {
    throw signal.aborted || error instanceof AnswerFailed ? error : new AnswerFailed(0);
  }
  throw new AnswerFailed(0); // the connection ended before the stream did
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

/** The data of each event of a byte stream (WHATWG HTML, 9.2.6); comments and other fields are passed over. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let lines = [];
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
        if (line !== "" || lines.length === 0) continue;
        yield lines.join("\n");
        lines = [];
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
