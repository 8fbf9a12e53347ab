// A request as a command or a program. No key stands in any of them: they read it from the environment.

import { linesOf } from "./lines.js";

// What the openai package takes as arguments; the rest of a body travels in `extra_body`.
export const CHAT_ARGUMENTS = new Set(
  `audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
  max_tokens messages metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
  prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream
  stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options extra_body`.split(
    /\s+/,
  ),
);
export const RESPONSES_ARGUMENTS = new Set(
  `access_programs background background_options context_management conversation extra_body image include input
  instructions max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls previous_response_id
  prompt prompt_cache_key prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store
  stream stream_options temperature text tool_choice tools top_logprobs top_p truncation user`.split(/\s+/),
);

const CALLS = {
  "/v1/chat/completions": ["chat.completions.create", CHAT_ARGUMENTS],
  "/v1/responses": ["responses.create", RESPONSES_ARGUMENTS],
  "/v1/completions": ["completions.create", null],
  "/v1/embeddings": ["embeddings.create", null],
};

const GOOGLE = "https://generativelanguage.googleapis.com";

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

function pretty(text) {
  return linesOf(text)
    .map(
      (line) =>
        `${"  ".repeat(line.depth)}${line.key === null ? "" : `${line.key}: `}${line.text}${line.comma ? "," : ""}`,
    )
    .join("\n");
}

export function curlToAdapter({ path, request, base, needsKey, isForm }) {
  const key = needsKey ? ` \\\n  -H "authorization: Bearer $OPENAI_API_KEY"` : "";
  if (isForm) return [`curl ${quoted(`${base}${path}`)}${key}`, ...formFields(request)].join(" \\\n  ");
  return `curl ${quoted(`${base}${path}`)} \\\n  -H 'content-type: application/json'${key} \\\n  -d ${quoted(pretty(request))}`;
}

// The fields of a form; a file is an object that tells its name, and is read from the folder where the command runs,
// never from another: clients choose the name.
function formFields(request) {
  return Object.entries(JSON.parse(request)).flatMap(([name, value]) =>
    [value].flat().map((one) =>
      typeof one === "string"
        ? `--form-string ${quoted(`${name}=${one}`)}`
        : `-F ${quoted(`${name}=@"./${local(one.filename)}";type=${one.type}`)}`,
    ),
  );
}

const local = (filename) => filename.split("/").pop().replaceAll(/["\\]/g, "\\$&");

// The built-in emulator's address is known to its process alone: Google's stands for it.
export function curlToGemini({ plan, upstreamRequest, isEmulator }) {
  const url = isEmulator ? plan.url.replace(/^https?:\/\/[^/]+/, GOOGLE) : plan.url;
  const key =
    "authorization" in plan.headers ? "authorization: Bearer $GEMINI_API_KEY" : "x-goog-api-key: $GEMINI_API_KEY";
  return `curl ${quoted(url)} \\\n  -H 'content-type: application/json' \\\n  -H "${key}" \\\n  -d ${quoted(pretty(upstreamRequest))}`;
}

export function openaiProgram({ path, request, base, needsKey }) {
  const [call, known] = CALLS[path];
  const body = JSON.parse(request);
  const members = membersOf(request);
  const own = Object.keys(body).filter((name) => known === null || known.has(name));
  const rest = Object.keys(body).filter((name) => !own.includes(name));
  const lines = own.map((name) => `    ${name}=${members.get(name)},`);
  if (rest.length)
    lines.push(
      "    extra_body={",
      ...rest.map((name) => `        ${JSON.stringify(name)}: ${indented(members.get(name))},`),
      "    },",
    );
  const use = body.stream ? ["for event in answer:", "    print(event)"] : ["print(answer)"];
  const key = needsKey ? 'os.environ["OPENAI_API_KEY"]' : '"unused"';
  return [
    ...(needsKey ? ["import os", ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${JSON.stringify(`${base}/v1`)}, api_key=${key})`,
    `answer = client.${call}(`,
    ...lines,
    ")",
    ...use,
  ].join("\n");
}

export const hasOpenaiProgram = (path) => path in CALLS;

const ARGUMENTS = { contents: "contents" };

export function genaiProgram({ plan, upstreamRequest }) {
  const { generationConfig = {}, ...rest } = JSON.parse(upstreamRequest);
  const members = membersOf(upstreamRequest);
  const settings = membersOf(upstreamRequest, "generationConfig");
  const outer = Object.keys(rest).filter((name) => !(name in ARGUMENTS));
  const config = [
    ...outer.map((name) => `        ${JSON.stringify(name)}: ${indented(members.get(name))},`),
    ...Object.keys(generationConfig).map((name) => `        ${JSON.stringify(name)}: ${indented(settings.get(name))},`),
  ];
  const streams = plan.method === "streamGenerateContent";
  const lines = [`    model=${JSON.stringify(plan.model)},`, `    contents=${members.get("contents")},`];
  if (config.length) lines.push("    config={", ...config, "    },");
  const use = streams ? ["for chunk in answer:", "    print(chunk)"] : ["print(answer)"];
  return [
    "import os",
    "",
    "from google import genai",
    "",
    'client = genai.Client(api_key=os.environ["GEMINI_API_KEY"])',
    `answer = client.models.${streams ? "generate_content_stream" : "generate_content"}(`,
    ...lines,
    ")",
    ...use,
  ].join("\n");
}

const WORDS = { true: "True", false: "False", null: "None" };

// The members of an object as Python literals that begin four columns in.
function membersOf(text, inside = "") {
  const lines = linesOf(text);
  const members = new Map();
  const depth = inside ? 2 : 1;
  lines.forEach((line, index) => {
    const own = inside ? line.path === `${inside}.${nameOf(line)}` : line.path === nameOf(line);
    if (line.depth !== depth || line.key === null || !own) return;
    members.set(
      nameOf(line),
      lines
        .slice(index, (line.end ?? index) + 1)
        .map((one, at) => literal(one, at === 0, at === (line.end ?? index) - index, depth))
        .join("\n"),
    );
  });
  return members;
}

const nameOf = (line) => (line.key === null ? null : JSON.parse(line.key));

// JSON's strings are Python's once the escapes of other characters than quotes and controls are gone.
function literal(line, isFirst, isLast, depth) {
  const text = line.kind === "string" ? JSON.stringify(JSON.parse(line.text)) : (WORDS[line.text] ?? line.text);
  const key = isFirst || line.key === null ? "" : `${JSON.stringify(JSON.parse(line.key))}: `;
  return `${isFirst ? "" : "    ".repeat(line.depth - depth + 1)}${key}${text}${line.comma && !isLast ? "," : ""}`;
}

const indented = (text) => text.replaceAll("\n", "\n    ");
