// A stream's events as the one answer that a client makes of them.

import { eventOf } from "../base/sse.js";

const TEXTS = new Set([
  "content",
  "refusal",
  "reasoning_content",
  "reasoning",
  "arguments",
  "text",
  "transcript",
  "data",
  "input",
]);

// The events of frames, each with the time of its frame (seconds after the request came).
export function eventsOfFrames(frames, times = []) {
  return frames.flatMap((frame, index) =>
    frame
      .split(/\r?\n\r?\n/)
      .filter((block) => block.trim())
      .map((block) => ({ ...parsed(block), raw: block, at: times[index] })),
  );
}

function parsed(block) {
  const { name, data } = eventOf(block);
  return { name, data, value: data === null ? null : valueOf(data) };
}

function valueOf(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

export function joined(events) {
  const values = events.map((event) => event.value).filter((value) => value !== null && typeof value === "object");
  if (values.some((value) => String(value.type ?? "").startsWith("response."))) return joinedResponse(values);
  return joinedChat(values);
}

function joinedChat(values) {
  const whole = {};
  for (const { choices, ...rest } of values) {
    Object.assign(whole, withoutNull(rest));
    for (const choice of choices ?? []) takeChoice(((whole.choices ??= []), whole.choices), choice);
  }
  if (whole.object === "chat.completion.chunk") whole.object = "chat.completion";
  return whole;
}

function takeChoice(choices, { delta, ...rest }) {
  let own = choices.find((one) => one.index === rest.index);
  if (own === undefined) choices.push((own = { index: rest.index, ...(delta ? { message: {} } : {}) }));
  if (delta) merge(own.message, delta);
  merge(own, withoutNull(rest));
}

const withoutNull = (value) => Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));

// Texts grow, entries with an index meet, the rest is replaced.
function merge(into, delta) {
  for (const [key, value] of Object.entries(delta)) {
    const before = into[key];
    if (typeof value === "string" && typeof before === "string" && TEXTS.has(key)) into[key] = before + value;
    else if (Array.isArray(value)) mergeList((into[key] = Array.isArray(before) ? before : []), value);
    else if (value && typeof value === "object")
      merge((into[key] = before && typeof before === "object" ? before : {}), value);
    else if (value !== null || before === undefined) into[key] = value;
  }
}

function mergeList(into, entries) {
  for (const entry of entries) {
    const own = entry && typeof entry.index === "number" ? into.find((one) => one.index === entry.index) : undefined;
    if (own) merge(own, entry);
    else into.push(structuredClone(entry));
  }
}

const ENDS = new Set(["response.completed", "response.incomplete", "response.failed"]);

function joinedResponse(values) {
  const end = values.findLast((value) => ENDS.has(value.type));
  if (end) return end.response;
  const response = structuredClone(values.findLast((value) => value.response)?.response ?? {});
  response.output = [];
  for (const value of values) takeItem(response.output, value);
  return response;
}

// A stream that has not ended: its items as far as they came.
function takeItem(output, { type, output_index: index, content_index: part, item, delta }) {
  if (type === "response.output_item.added") output[index] = structuredClone(item);
  else if (type === "response.output_item.done") output[index] = item;
  else if (type === "response.output_text.delta") partOf(output[index], part).text += delta;
  else if (type === "response.function_call_arguments.delta") output[index].arguments += delta;
}

function partOf(item, index) {
  return (item.content[index] ??= { type: "output_text", text: "", annotations: [] });
}

// What an event of OpenAI's brings, in a few words.
export function summaryOf({ name, data, value }) {
  if (data === null) return "heartbeat";
  if (value === null) return data;
  if (value.error) return `error: ${value.error.message ?? JSON.stringify(value.error)}`;
  if (value.type) return summaryOfResponse(value);
  return (
    (value.choices ?? []).map(summaryOfChoice).join(" · ") ||
    (value.usage ? `usage: ${value.usage.prompt_tokens} → ${value.usage.completion_tokens} tokens` : name)
  );
}

function summaryOfChoice(choice) {
  const { delta = {}, finish_reason: reason, text, index } = choice;
  const said = [
    delta.content && JSON.stringify(delta.content),
    text && JSON.stringify(text),
    delta.reasoning_content && `thought ${JSON.stringify(delta.reasoning_content)}`,
    delta.refusal && `refusal ${JSON.stringify(delta.refusal)}`,
    ...(delta.tool_calls ?? []).map((call) => `call ${call.function?.name ?? ""}${call.function?.arguments ?? ""}`),
    delta.extra_content && "signature",
    reason && `finish: ${reason}`,
    delta.role && !delta.content && `role: ${delta.role}`,
  ].filter(Boolean);
  return `${index ? `choice ${index}: ` : ""}${said.join(" · ") || "nothing"}`;
}

function summaryOfResponse(value) {
  const what = value.delta ?? value.item?.type ?? value.response?.status ?? "";
  const shown = typeof what === "string" ? what : JSON.stringify(what);
  return `${value.type.replace(/^response\./, "")}${shown ? `: ${value.delta ? JSON.stringify(shown) : shown}` : ""}`;
}

// What an event of Gemini's brings.
export function summaryOfGemini(text) {
  const value = valueOf(text);
  if (value === null) return text;
  if (value.error) return `error ${value.error.code}: ${value.error.message}`;
  const said = (value.candidates ?? []).flatMap((candidate) => [
    ...(candidate.content?.parts ?? []).map(summaryOfPart),
    ...(candidate.finishReason ? [`finish: ${candidate.finishReason}`] : []),
  ]);
  if (value.promptFeedback?.blockReason) said.push(`blocked: ${value.promptFeedback.blockReason}`);
  return said.join(" · ") || Object.keys(value).join(", ");
}

function summaryOfPart(part) {
  const signed = part.thoughtSignature ? " + signature" : "";
  if (part.functionCall)
    return `call ${part.functionCall.name}${JSON.stringify(part.functionCall.args ?? {})}${signed}`;
  if (part.text !== undefined) return `${part.thought ? "thought " : ""}${JSON.stringify(part.text)}${signed}`;
  return `${
    Object.keys(part)
      .filter((key) => key !== "thoughtSignature")
      .join(", ") || "an empty part"
  }${signed}`;
}
