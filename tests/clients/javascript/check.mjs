// The openai package for JavaScript against the adapter at the URL given.

import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "unused", maxRetries: 0 });
const model = "gemini-3.5-flash";
const weather = {
  type: "function",
  function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};

const steps = {
  async chats() {
    const answer = await client.chat.completions.create({ model, messages: [{ role: "user", content: "hello there" }] });
    assert.match(answer.choices[0].message.content, /hello there/);
    assert.ok(answer.usage.total_tokens > 0);
  },
  async streams() {
    const stream = client.chat.completions.stream({ model, messages: [{ role: "user", content: "30 words" }] });
    let pieces = 0;
    for await (const chunk of stream) pieces += chunk.choices.length;
    assert.ok(pieces > 1);
    assert.equal((await stream.finalContent()).split(/\s+/).length, 30);
  },
  async runs_a_tool_loop() {
    const asked = [];
    const get_weather = { ...weather.function, parse: JSON.parse, function: (given) => `sunny ${asked.push(given)}` };
    const runner = client.chat.completions.runTools({
      model,
      messages: [{ role: "user", content: "call get_weather in 5 steps" }],
      tools: [{ type: "function", function: get_weather }],
    });
    assert.match(await runner.finalContent(), /sunny 5/);
    assert.equal(asked.length, 5);
  },
  async answers_responses() {
    const first = await client.responses.create({ model, input: "hello" });
    assert.match(first.output_text, /hello/);
    const next = await client.responses.create({ model, input: "and again", previous_response_id: first.id });
    assert.match(next.output_text, /again/);
  },
  async embeds() {
    // The package asks for base64 and decodes it itself.
    const found = await client.embeddings.create({ model: "text-embedding-3-small", input: ["a cat", "a stone"] });
    assert.deepEqual(found.data.map((one) => one.embedding.length), [1536, 1536]);
    assert.ok(found.data[0].embedding.every(Number.isFinite));
  },
  async completes() {
    const found = await client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: ["rivers", "hills"] });
    assert.deepEqual(found.choices.map((one) => one.index), [0, 1]);
  },
  async judges() {
    const found = await client.moderations.create({ input: "They depict violence." });
    assert.equal(found.results[0].flagged, true);
  },
  async decides() {
    const questions = [{ type: "choice", instructions: "Which?", choices: [{ value: true }, { value: "true" }] }];
    const found = await client.post("/decisions", { body: { model: "gpt-6-luna", input: "a", questions } });
    assert.deepEqual(found.answers[0].probabilities.map((one) => one.value), [true, "true"]);
  },
  async lists_models_and_reads_errors() {
    const models = [];
    for await (const one of client.models.list()) models.push(one.id);
    assert.ok(models.includes(model));
    await assert.rejects(client.fineTuning.jobs.list(), (error) => error.code === "unsupported_endpoint");
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log("JavaScript:", name.replaceAll("_", " "), "ok");
}
