// Paste a request: it is translated while one types, nothing is sent before a click that names who gets it.

import { h, setText } from "../base/dom.js";
import { capabilities, compare, ServerError, translate } from "../base/server.js";
import { splitter } from "../base/split.js";
import { Tabs } from "../base/tabs.js";
import { requestIn, requestsOf } from "../ledger/paste.js";
import { Copy } from "../parts/copy.js";
import { EveryModel } from "../parts/every_model.js";
import { Fields } from "../parts/fields.js";
import { Panes } from "../parts/panes.js";
import { Rerun } from "../parts/rerun.js";
import { Verdict } from "../parts/verdict.js";
import { lossesOf } from "../ledger/fates.js";
import { modelNames } from "./models.js";

const PAUSE = 250;
const EXAMPLE = JSON.stringify(
  {
    model: "gpt-4o-mini",
    temperature: 0.2,
    n: 2,
    logit_bias: { 50256: -100 },
    user: "user-1234",
    messages: [
      { role: "system", content: "Answer briefly." },
      { role: "user", content: "What is the weather in Paris?" },
    ],
    tools: [
      {
        type: "function",
        function: {
          name: "get_weather",
          strict: true,
          parameters: {
            type: "object",
            properties: { city: { type: "string", minLength: 2 } },
            required: ["city"],
            additionalProperties: false,
          },
        },
      },
    ],
  },
  null,
  2,
);

const REFUSED = "As it is, this request would be refused: what is wrong is said above.";
const NO_JSON = "What is pasted is not JSON, so there is no request to run.";

export class Paste {
  #timer = 0;
  #stop = new AbortController();
  #requests = [];

  constructor({ facts }) {
    this.facts = facts;
    this.text = h("textarea", {
      id: "pasted",
      spellcheck: "false",
      autocomplete: "off",
      placeholder: "A chat or Responses request, a curl command, or lines of a batch file",
      oninput: () => this.#soon(),
    });
    this.line = h("select", { "aria-label": "Line of the batch", hidden: true, onchange: () => this.#soon(0) });
    this.verdict = new Verdict();
    this.panes = new Panes();
    this.fields = new Fields({ onpick: (path) => this.panes.pin(path) });
    this.every = new EveryModel({ onchoose: (model) => this.#choose(model) });
    this.copy = new Copy({ facts, whole: null });
    this.run = new Rerun({ facts, tab: "openai" });
    this.tabs = new Tabs(
      "About the pasted request",
      [
        ["fields", "Fields", this.fields.element],
        ["models", "Every model", this.every.element],
        ["copy", "Copy", this.copy.element],
        ["run", "Run it", this.run.element],
      ],
      () => this.#compare(),
    );
    this.message = h("p", { class: "empty message", role: "status" });
    this.body = h("div", { class: "exchange", hidden: true });
    this.body.append(
      this.verdict.element,
      h("div", { class: "requests" }, this.panes.element, this.panes.hint),
      splitter(this.body, { label: "Height of the requests", property: "--above", axis: "y", share: 52 }),
      h("div", { class: "below" }, this.tabs.list, this.tabs.panels),
    );
    const example = h(
      "button",
      {
        type: "button",
        onclick: () => {
          this.text.value = EXAMPLE;
          this.#soon(0);
        },
      },
      "Try an example",
    );
    this.element = h(
      "div",
      { class: "view three paste one" },
      h(
        "section",
        { class: "list", "aria-label": "Pasted request" },
        h(
          "div",
          { class: "tools" },
          h("label", { for: "pasted" }, "Paste a request"),
          h("div", { class: "buttons" }, this.line, example),
        ),
        this.text,
      ),
      h("section", { class: "detail", "aria-label": "What it becomes" }, this.message, this.body),
    );
    this.#say("What you paste is translated while you type. Nothing is sent to Gemini.");
  }

  async show() {
    this.text.focus({ preventScroll: true });
    if (!this.offered)
      capabilities().then(
        (shown) => this.run.offer(modelNames(shown)),
        () => {},
      );
    this.offered = true;
  }

  #say(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
    this.body.hidden = Boolean(text);
  }

  #soon(delay = PAUSE) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#translate(), delay);
  }

  #read() {
    const requests = requestsOf(this.text.value);
    if (requests.map(({ name }) => name).join() !== this.#requests.map(({ name }) => name).join()) {
      this.line.replaceChildren(...requests.map(({ name }, index) => h("option", { value: index }, name)));
    }
    this.#requests = requests;
    this.line.hidden = requests.length < 2;
    return requests[Number(this.line.value) || 0];
  }

  async #translate() {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    try {
      const given = this.#read();
      if (given === undefined)
        return this.#say("What you paste is translated while you type. Nothing is sent to Gemini.");
      this.given = given;
      const shown = await translate(given.body, given.endpoint, signal);
      if (!signal.aborted) this.#show(given, shown);
    } catch (error) {
      if (!signal.aborted) this.#refused(error);
    }
    return this.#compare();
  }

  #show(given, shown) {
    if (shown.answer)
      return this.#say(`This is an answer of Gemini's. OpenAI's: ${JSON.stringify(shown.answer, null, 2)}`);
    const request = requestIn(given.body);
    const upstream = JSON.stringify(shown.body);
    this.#say("");
    const predicted = shown.predicted_error?.error ?? shown.predicted_error;
    const trouble = predicted ? `Gemini would refuse it: ${predicted.message}` : "";
    this.#verdict([JSON.parse(request).model ?? "", shown.model], shown.notes, trouble, [
      shown.endpoint,
      shown.method,
      shown.calls > 1 ? `${shown.calls} calls` : "",
    ]);
    this.panes.show({
      request,
      upstream,
      notes: shown.notes,
      rightTitle: "Gemini request, not sent",
      rightNote: shown.calls > 1 ? `would be sent ${shown.calls} times` : "",
    });
    this.fields.show(null, shown.notes);
    this.tabs.setCount("fields", shown.notes.filter((note) => note.severity).length, "losses");
    const exchange = {
      key: "",
      path: shown.endpoint,
      method: "POST",
      request,
      upstream_request: upstream,
      plan: shown,
    };
    this.copy.show(exchange);
    this.run.show({ path: shown.endpoint, request });
    return undefined;
  }

  #verdict(models, notes, trouble, facts, { isRead = true } = {}) {
    const losses = isRead ? lossesOf(notes) : null;
    this.verdict.show({ models, losses, trouble, facts, level: trouble ? "error" : (losses?.[0]?.severity ?? "none") });
  }

  // What the adapter itself refuses: the field at fault is marked in the request.
  #refused(error) {
    if (!(error instanceof ServerError) || !this.given) return this.#say(error.message);
    const path = error.detail.param ?? "";
    const notes = path
      ? [{ path, fate: "rejected", severity: "breaks", reason: error.message, code: "", advice: "", targets: [] }]
      : [];
    const request = requestIn(this.given.body);
    this.#say("");
    this.#verdict(
      [modelOf(request), ""],
      notes,
      `It would be answered ${error.status}${error.detail.code ? ` ${error.detail.code}` : ""}: ${error.message}`,
      [],
      { isRead: notes.length > 0 },
    );
    this.panes.show({
      request,
      upstream: "",
      notes,
      rightTitle: "Gemini request",
      rightEmpty: "It is refused before anything is made for Gemini.",
    });
    this.fields.show(null, notes, "It is refused as a whole, before its fields are looked at.");
    this.tabs.setCount("fields", notes.length, "losses");
    this.copy.show({ request: "", upstream_request: "", method: "POST", path: "" });
    this.run.show({ path: "", request: "", why: isJson(request) ? REFUSED : NO_JSON });
    return undefined;
  }

  async #compare() {
    if (this.tabs.selected !== "models" || !this.given) return;
    const { given } = this;
    if (this.compared === given) return;
    this.compared = given;
    try {
      this.every.show(await compare(given.body, given.endpoint, this.#stop.signal));
    } catch (error) {
      if (error.name !== "AbortError") this.every.say(error.message);
    }
  }

  // Put another model into the text, where it is a request as it is.
  #choose(model) {
    const named = /("model"\s*:\s*)"(?:[^"\\]|\\[^])*"/;
    setText(this.every.said, "");
    this.text.value = this.text.value.replace(named, (_, key) => `${key}${JSON.stringify(model)}`);
    this.#soon(0);
  }
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function modelOf(request) {
  try {
    return JSON.parse(request).model ?? "";
  } catch {
    return "";
  }
}
