// One exchange: its verdict, both requests, and the tabs below them. A running one is read again as it goes on.

import { h } from "../base/dom.js";
import { duration } from "../base/format.js";
import { readExchange, ServerError } from "../base/server.js";
import { splitter } from "../base/split.js";
import { Tabs } from "../base/tabs.js";
import { GeminiAnswer, OpenaiAnswer } from "../parts/answers.js";
import { Attempts } from "../parts/attempts.js";
import { Copy } from "../parts/copy.js";
import { Fields } from "../parts/fields.js";
import { Panes } from "../parts/panes.js";
import { Rerun } from "../parts/rerun.js";
import { Signatures } from "../parts/signatures.js";
import { legend } from "../parts/legend.js";
import { Verdict, verdictOf } from "../parts/verdict.js";
import { STILL } from "./list.js";

const CHOOSE = "Choose a request to see what became of its fields.";

export class Detail {
  #key = "";
  #busy = false;
  #again = false;
  #exchange = null;

  constructor({ facts, elapsedOf, ontab }) {
    this.elapsedOf = elapsedOf;
    this.facts = facts;
    const whole = (key) => readExchange(key, { whole: true, processes: facts.processes });
    this.verdict = new Verdict();
    this.panes = new Panes();
    const onpick = (path) => this.panes.pin(path);
    this.parts = {
      fields: new Fields({ onpick }),
      gemini: new GeminiAnswer(),
      openai: new OpenaiAnswer(),
      signatures: new Signatures({ onpick }),
      attempts: new Attempts(),
      copy: new Copy({ facts, whole }),
      again: new Rerun({ facts, whole }),
    };
    const titles = {
      fields: "Fields",
      gemini: "Gemini's answer",
      openai: "OpenAI's answer",
      signatures: "Signatures",
      attempts: "Attempts",
      copy: "Copy",
      again: "Run again",
    };
    this.tabs = new Tabs(
      "About this request",
      Object.entries(this.parts).map(([name, part]) => [name, titles[name], part.element]),
      ontab,
    );
    this.body = h("div", { class: "exchange" });
    const above = h("div", { class: "requests" }, this.panes.element, this.panes.hint);
    const below = h("div", { class: "below" }, this.tabs.list, this.tabs.panels);
    this.body.append(
      this.verdict.element,
      above,
      splitter(this.body, { label: "Height of the requests", property: "--above", axis: "y", share: 52 }),
      below,
    );
    this.message = h("p", { class: "empty message", role: "status" });
    this.legend = legend();
    this.element = h("section", { class: "detail", "aria-label": "One request" }, this.message, this.legend, this.body);
    this.#say(CHOOSE);
    setInterval(() => this.#tick(), 500);
  }

  #say(text) {
    this.message.replaceChildren(text);
    this.message.hidden = !text;
    this.legend.hidden = text !== CHOOSE;
    this.body.hidden = Boolean(text);
  }

  async open(key) {
    if (key === this.#key) return;
    this.#key = key;
    this.#exchange = null;
    if (!key) return this.#say(CHOOSE);
    await this.refresh();
    this.tabs.panels.scrollTop = 0;
  }

  // One read at a time: what changes meanwhile is read afterwards.
  async refresh() {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      do {
        this.#again = false;
        await this.#read(this.#key);
      } while (this.#again);
    } finally {
      this.#busy = false;
    }
  }

  async #read(key) {
    let exchange = null;
    try {
      exchange = await readExchange(key, { processes: this.facts.processes });
    } catch (error) {
      // What is shown stays: it is what was last known.
      if (key === this.#key && this.#exchange === null) this.#say(whyNot(error, key));
    }
    if (key !== this.#key) this.#again = true;
    else if (exchange !== null) this.#show(exchange);
  }

  is(row) {
    return [row.key, row.id].includes(this.#key);
  }

  #show(exchange) {
    this.#exchange = exchange;
    this.#say("");
    const notes = notesOf(exchange);
    this.#showVerdict();
    const isSent = exchange.was_sent !== false;
    const times = exchange.plan?.calls ?? 1;
    this.panes.show({
      request: exchange.request,
      upstream: exchange.upstream_request,
      notes,
      rightTitle: isSent ? "Gemini request, as it went" : "Gemini request, never sent",
      rightNote: times > 1 ? `${isSent ? "sent" : "to be sent"} ${times} times` : "",
      rightEmpty: isSent
        ? "Nothing was kept of what went to Gemini."
        : "It was refused before anything was made for Gemini.",
    });
    for (const part of Object.values(this.parts)) part.show(exchange, notes);
    this.tabs.setCount("fields", notes.filter((note) => note.severity).length, "losses");
    const attempts = exchange.calls.reduce((sum, call) => sum + call.attempts.length, 0);
    this.tabs.setCount("attempts", attempts > 1 ? attempts : 0, "attempts");
  }

  #showVerdict() {
    const exchange = this.#exchange;
    const running = exchange.running ? this.#runningOf(exchange) : null;
    this.verdict.show(verdictOf(exchange, notesOf(exchange), running));
  }

  #runningOf(exchange) {
    const { elapsed, still } = this.elapsedOf(exchange);
    const what = exchange.events ? `${exchange.events} events so far` : "nothing has come yet";
    return {
      elapsed: duration(elapsed),
      trouble:
        still > STILL
          ? `Still running: ${what}, and Gemini has been silent for ${duration(Math.floor(still / 1000) * 1000)}.`
          : "",
    };
  }

  #tick() {
    if (this.#exchange?.running && !this.element.closest("[hidden]")) this.#showVerdict();
  }
}

function whyNot(error, key) {
  if (error instanceof ServerError && error.status === 404)
    return `There is no request ${key} (any more): the last hundred are kept, as long as the server runs.`;
  return `The request cannot be shown: ${error.message}`;
}

// The full ledger, and what was noted of the answer.
export function notesOf(exchange) {
  const own = exchange.plan?.notes ?? exchange.notes;
  return [...own, ...exchange.reply_notes.map((note) => ({ ...note, way: "answer" }))];
}
