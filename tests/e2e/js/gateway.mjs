// Asks a running gateway with the openai client, the AI SDK, LangChain and the anthropic client for JavaScript, and prints one JSON object.
// Environment: ONDOL_URL (such as http://127.0.0.1:8700), ONDOL_API_KEY.
import Anthropic from "@anthropic-ai/sdk";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

const url = process.env.ONDOL_URL;
const apiKey = process.env.ONDOL_API_KEY;
const baseURL = `${url}/v1`;
const messages = [{ role: "user", content: "How long may I return an order?" }];
const schema = z.object({ city: z.string(), unit: z.string().optional() });
const parameters = { type: "object", properties: { city: { type: "string" }, unit: { type: "string" } }, required: ["city"] };
const told = (error) => ({ kind: error.constructor.name, status: error.status ?? error.statusCode ?? null, code: error.code ?? null });
const failure = (promise) => promise.then(() => null, told);

async function withOpenAI() {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });
  const whole = await client.chat.completions.create({ model: "small", messages });
  let streamed = "";
  let usage = null;
  const asked = { model: "small", messages, stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create(asked)) {
    streamed += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  const tools = [{ type: "function", function: { name: "weather", parameters } }];
  const called = await client.chat.completions.stream({ model: "small", messages, tools }).finalChatCompletion();
  const response = await client.responses.create({ model: "small", input: "How long?" });
  const began = performance.now();
  const retried = await client.chat.completions.create({ model: "limited", messages }, { maxRetries: 2 });
  return {
    text: whole.choices[0].message.content,
    streamed,
    streamed_usage: [usage.prompt_tokens, usage.completion_tokens],
    arguments: JSON.parse(called.choices[0].message.tool_calls[0].function.arguments),
    response: response.output_text,
    retried: retried.choices[0].message.content,
    retried_seconds: (performance.now() - began) / 1000,
    mid_stream: await failure((async () => {
      for await (const _ of await client.chat.completions.create({ model: "breaks-off", messages, stream: true }));
    })()),
    unknown_model: await failure(client.chat.completions.create({ model: "nobody", messages })),
  };
}

async function withAISDK() {
  const provider = createOpenAICompatible({ name: "ondol", baseURL, apiKey, includeUsage: true });
  const model = provider("small");
  const whole = await generateText({ model, prompt: "How long?", maxRetries: 0 });
  const stream = streamText({ model, prompt: "How long?", maxRetries: 0 });
  let streamed = "";
  for await (const piece of stream.textStream) streamed += piece;
  const seen = [];
  const execute = async (given) => (seen.push(given), "sunny");
  const tools = { weather: tool({ description: "The weather.", inputSchema: schema, execute }) };
  const agent = streamText({ model, prompt: "How is the weather?", tools, stopWhen: stepCountIs(3), maxRetries: 0 });
  let after = "";
  for await (const piece of agent.textStream) after += piece;
  const broken = streamText({ model: provider("breaks-off"), prompt: "x", maxRetries: 0, onError() {} });
  const parts = [];
  for await (const part of broken.fullStream) parts.push(part.type);
  const { inputTokens, outputTokens } = await stream.usage;
  return {
    text: whole.text,
    streamed,
    streamed_usage: [inputTokens, outputTokens],
    arguments: seen[0],
    after_tool: after,
    mid_stream: parts.includes("error"),
    unknown_model: await failure(generateText({ model: provider("nobody"), prompt: "x", maxRetries: 0 })),
  };
}

async function withLangChain() {
  const made = { apiKey, maxRetries: 0, streamUsage: true, configuration: { baseURL } };
  const chat = new ChatOpenAI({ model: "small", ...made });
  let total;
  for await (const chunk of await chat.stream("How long?")) total = total === undefined ? chunk : total.concat(chunk);
  const weather = langchainTool(async () => "sunny", { name: "weather", description: "The weather.", schema });
  const bound = chat.bindTools([weather]);
  const asked = new HumanMessage("How is the weather?");
  const message = await bound.invoke([asked]);
  const after = await bound.invoke([asked, message, new ToolMessage({ content: "sunny", tool_call_id: message.tool_calls[0].id })]);
  return {
    text: (await chat.invoke("How long?")).content,
    streamed: total.content,
    streamed_usage: [total.usage_metadata.input_tokens, total.usage_metadata.output_tokens],
    arguments: message.tool_calls[0].args,
    after_tool: after.content,
    unknown_model: await failure(new ChatOpenAI({ model: "nobody", ...made }).invoke("x")),
  };
}

async function withAnthropic() {
  const client = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
  const asked = { model: "claude", max_tokens: 100, messages };
  const stream = client.messages.stream({ ...asked, tools: [{ name: "weather", input_schema: parameters }] });
  const message = await stream.finalMessage();
  return {
    text: (await client.messages.create(asked)).content[0].text,
    arguments: message.content.find((block) => block.type === "tool_use").input,
    unknown_model: await failure(client.messages.create({ ...asked, model: "nobody" })),
  };
}

const clients = { openai: withOpenAI, ai: withAISDK, langchain: withLangChain, anthropic: withAnthropic };
const found = {};
for (const name of process.argv.slice(2)) found[name] = await clients[name]();
process.stdout.write(JSON.stringify(found) + "\n");
