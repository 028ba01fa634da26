// Asks a running gateway with the openai client for JavaScript and prints one JSON object with what it got.
// Environment: ONDOL_BASE_URL (such as http://127.0.0.1:8000/v1), ONDOL_API_KEY, ONDOL_MODEL, and if wanted ONDOL_QUESTION.
import OpenAI from "openai";

const { ONDOL_BASE_URL, ONDOL_API_KEY, ONDOL_MODEL, ONDOL_QUESTION = "환불은 언제 되나요?" } = process.env;
if (!ONDOL_BASE_URL || !ONDOL_API_KEY || !ONDOL_MODEL) {
  process.stderr.write("Set ONDOL_BASE_URL, ONDOL_API_KEY and ONDOL_MODEL.\n");
  process.exit(2);
}

const client = new OpenAI({ baseURL: ONDOL_BASE_URL, apiKey: ONDOL_API_KEY, maxRetries: 0, timeout: 30_000 });
const request = { model: ONDOL_MODEL, messages: [{ role: "user", content: ONDOL_QUESTION }] };

async function models() {
  const ids = [];
  for await (const card of client.models.list()) ids.push(card.id);
  return { ids, retrieved: (await client.models.retrieve(ONDOL_MODEL)).id };
}

async function whole() {
  const { data, response } = await client.chat.completions.create(request).withResponse();
  const [choice] = data.choices;
  return {
    id: data.id,
    text: choice.message.content,
    annotations: choice.message.annotations,
    finish_reason: choice.finish_reason,
    usage: data.usage,
    ondol: data.ondol ?? null,
    request_id: response.headers.get("x-request-id"),
  };
}

async function streamed() {
  const got = { id: null, text: "", annotations: [], finish_reason: null, usage: null, ondol: null, stages: [] };
  const asked = { ...request, stream: true, stream_options: { include_usage: true }, ondol: { progress: true } };
  for await (const chunk of await client.chat.completions.create(asked)) {
    got.id = chunk.id;
    got.usage = chunk.usage ?? got.usage;
    if (chunk.ondol?.stage) got.stages.push(chunk.ondol.stage);
    else got.ondol = chunk.ondol ?? got.ondol;
    for (const choice of chunk.choices) {
      got.text += choice.delta.content ?? "";
      got.annotations.push(...(choice.delta.annotations ?? []));
      got.finish_reason = choice.finish_reason ?? got.finish_reason;
    }
  }
  return got;
}

async function refused() {
  const stranger = new OpenAI({ baseURL: ONDOL_BASE_URL, apiKey: "sk-not-a-key", maxRetries: 0 });
  const told = (error) => ({ name: error.constructor.name, status: error.status, code: error.code });
  return {
    unknown_key: await stranger.models.list().then(() => null, told),
    unknown_model: await client.chat.completions.create({ ...request, model: "no/such/model" }).then(() => null, told),
  };
}

const result = { models: await models(), whole: await whole(), streamed: await streamed(), refused: await refused() };
process.stdout.write(JSON.stringify(result) + "\n");
