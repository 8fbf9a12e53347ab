// How to point each client here, and a request to try it with.

import { button, h } from "../base/dom.js";
import { go, linkTo } from "../base/route.js";
import { runRequest } from "../base/server.js";
import { copyButton } from "../base/clipboard.js";
import { snippet } from "../parts/copy.js";

const MODEL = "gemini-3.8-flash";
const TEST = { model: MODEL, messages: [{ role: "user", content: "Say hello in Latin." }] };

export class TestRequest {
  constructor({ facts }) {
    this.facts = facts;
    this.send = button(`Send a test request to ${facts.upstream_label}`, () => this.#run(), { class: "primary" });
    this.said = h("p", { class: "muted", role: "status" });
    this.element = h("div", { class: "test" }, this.send, this.said);
  }

  async #run() {
    const id = `test-${crypto.randomUUID?.() ?? Date.now()}`;
    this.send.disabled = true;
    try {
      const answer = runRequest(JSON.stringify(TEST), "/v1/chat/completions", id);
      go(linkTo("requests", id, "openai"));
      await answer;
      this.said.textContent = "It was answered.";
    } catch (error) {
      this.said.textContent = error.message;
    } finally {
      this.send.disabled = false;
    }
  }
}

export class Setup {
  constructor({ facts }) {
    const root = new URL(".", location.href).href.replace(/\/$/, "");
    const url = `${root}/v1`;
    const key = facts.needs_key ? "one of the client keys" : "unused";
    this.element = h(
      "div",
      { class: "view page", tabindex: "0" },
      h("h2", {}, "Set up a client"),
      h(
        "p",
        {},
        facts.emulator
          ? "The built-in emulator answers: strict and deterministic, without a key. Set GEMINI_API_KEY and start again to call Gemini itself."
          : `Requests go to ${facts.upstream_label}.`,
      ),
      h(
        "dl",
        { class: "base" },
        h(
          "div",
          {},
          h("dt", {}, "Base URL"),
          h(
            "dd",
            {},
            h("code", { class: "url" }, url),
            copyButton(() => url),
          ),
        ),
        h(
          "div",
          {},
          h("dt", {}, "API key"),
          h(
            "dd",
            {},
            facts.needs_key
              ? "One of the client keys that this server was given."
              : "None is asked for: any text will do.",
          ),
        ),
      ),
      new TestRequest({ facts }).element,
      h(
        "div",
        { class: "snippets" },
        snippets(url, root, key).map(([title, about, text]) => snippet(title, about, () => text)),
      ),
      facts.emulator ? gifts() : "",
    );
  }

  show() {}
}

const snippets = (url, root, key) => [
  [
    "Environment",
    "most tools read these",
    `export OPENAI_BASE_URL=${url}\nexport OPENAI_API_KEY=${key.split(" ")[0] === "one" ? "KEY" : key}`,
  ],
  [
    "curl",
    "",
    `curl ${url}/chat/completions \\\n  -H 'content-type: application/json' \\\n${key === "unused" ? "" : '  -H "authorization: Bearer $OPENAI_API_KEY" \\\n'}  -d '${JSON.stringify(TEST)}'`,
  ],
  [
    "Python, openai",
    "",
    `from openai import OpenAI\n\nclient = OpenAI(base_url="${url}", api_key="${key === "unused" ? key : "KEY"}")\nanswer = client.chat.completions.create(\n    model="${MODEL}",\n    messages=[{"role": "user", "content": "Say hello in Latin."}],\n)\nprint(answer.choices[0].message.content)`,
  ],
  [
    "JavaScript, openai",
    "",
    `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${url}", apiKey: "${key === "unused" ? key : "KEY"}" });\nconst answer = await client.chat.completions.create({\n  model: "${MODEL}",\n  messages: [{ role: "user", content: "Say hello in Latin." }],\n});\nconsole.log(answer.choices[0].message.content);`,
  ],
  [
    "LangChain",
    "",
    `from langchain_openai import ChatOpenAI\n\nmodel = ChatOpenAI(model="${MODEL}", base_url="${url}", api_key="${key === "unused" ? key : "KEY"}")\nprint(model.invoke("Say hello in Latin.").content)`,
  ],
  [
    "LlamaIndex",
    "",
    `from llama_index.llms.openai_like import OpenAILike\n\nmodel = OpenAILike(\n    model="${MODEL}",\n    api_base="${url}",\n    api_key="${key === "unused" ? key : "KEY"}",\n    is_chat_model=True,\n    is_function_calling_model=True,\n)\nprint(model.complete("Say hello in Latin."))`,
  ],
  [
    "Python, google-genai",
    "Gemini's own API is served as well",
    `from google import genai\n\nclient = genai.Client(api_key="${key === "unused" ? key : "KEY"}", http_options={"base_url": "${root}", "api_version": "v1beta"})\nprint(client.models.generate_content(model="${MODEL}", contents="Say hello in Latin.").text)`,
  ],
];

const GIFTS = [
  ['say "X"', "it answers X"],
  ["the name of one of your tools", "it calls that tool with arguments that fit its schema"],
  ["3 steps", "it makes three calls, one per answer"],
  ["2 at once", "it makes two calls in one answer"],
  ["200 words", "an answer of that length"],
  [`${MODEL}+fault-429 (as the model)`, "a rate limit; also 503, hang, cut, safety and more"],
];

function gifts() {
  return h(
    "section",
    { class: "gifts" },
    h("h3", {}, "What the emulator understands"),
    h("p", { class: "muted" }, "In the words of a prompt:"),
    h(
      "dl",
      {},
      GIFTS.map(([words, what]) => h("div", {}, h("dt", {}, h("code", {}, words)), h("dd", {}, what))),
    ),
  );
}
