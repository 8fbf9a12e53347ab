// The request as a command or a program, to run it elsewhere. Keys are read from the environment, none stands here.

import { h } from "../base/dom.js";
import { copyButton } from "../base/clipboard.js";
import { ENDS_KEPT, isShortened } from "../ledger/shortened.js";
import { curlToAdapter, curlToGemini, genaiProgram, hasOpenaiProgram, openaiProgram } from "../ledger/snippets.js";

const base = () => new URL(".", location.href).href.replace(/\/$/, "");

export class Copy {
  #shown = null;

  // `whole` reads the exchange with its long values.
  constructor({ facts, whole }) {
    this.facts = facts;
    this.whole = whole;
    this.element = h("div");
  }

  show(exchange) {
    const { key, request, upstream_request, was_sent, is_part } = exchange;
    const state = JSON.stringify([key, request, upstream_request, was_sent, is_part]);
    if (state === this.#shown) return;
    this.#shown = state;
    this.element.replaceChildren(...this.#snippets(exchange));
    if (!this.element.childElementCount)
      this.element.append(h("p", { class: "empty" }, is_part ? ENDS_KEPT : "Nothing was kept of this request."));
  }

  #snippets(exchange) {
    const shown = SNIPPETS.filter(([, , can]) => can(exchange));
    return shown.map(([title, make, , about]) =>
      snippet(
        title,
        about(this.facts),
        () => make(given(exchange, this.facts)),
        async () => make(given(await this.#all(exchange), this.facts)),
      ),
    );
  }

  async #all(exchange) {
    return isShortened(exchange.request) && exchange.key ? this.whole(exchange.key) : exchange;
  }
}

export function snippet(title, about, text, copied = text) {
  return h(
    "section",
    { class: "snippet" },
    h("header", {}, h("h3", {}, title), h("span", { class: "muted" }, about), copyButton(copied)),
    h("pre", { tabindex: "0", role: "region", "aria-label": title }, text()),
  );
}

const given = (exchange, facts) => ({
  path: exchange.path,
  request: exchange.request,
  base: base(),
  needsKey: facts.needs_key,
  plan: exchange.plan,
  upstreamRequest: exchange.upstream_request,
  isEmulator: facts.emulator,
  isForm: exchange.is_form,
});

const isJson = (text) => {
  try {
    return JSON.parse(text) !== null;
  } catch {
    return false;
  }
};
const hasRequest = (exchange) => !exchange.is_part && isJson(exchange.request);
const hasPlan = (exchange) => !exchange.is_part && Boolean(exchange.plan) && isJson(exchange.upstream_request);

const SNIPPETS = [
  [
    "curl to this adapter",
    curlToAdapter,
    (exchange) => exchange.method === "POST" && hasRequest(exchange),
    (facts) => (facts.needs_key ? "reads $OPENAI_API_KEY" : "needs no key"),
  ],
  [
    "curl to Gemini",
    curlToGemini,
    hasPlan,
    (facts) =>
      facts.emulator
        ? "at Google's address, as the emulator has none of its own; reads $GEMINI_API_KEY"
        : "reads $GEMINI_API_KEY",
  ],
  [
    "Python, openai",
    openaiProgram,
    (exchange) => hasOpenaiProgram(exchange.path) && hasRequest(exchange),
    () => "the same request by the openai package",
  ],
  ["Python, google-genai", genaiProgram, hasPlan, () => "what went to Gemini, by Google's own package"],
];
