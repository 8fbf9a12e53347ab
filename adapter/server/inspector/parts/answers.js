// What Gemini answered, as it came, and what the client got of it.

import { h, setText } from "../base/dom.js";
import { copyButton } from "../base/clipboard.js";
import { duration } from "../base/format.js";
import { above } from "../ledger/lines.js";
import { eventsOfFrames, joined, summaryOf, summaryOfGemini } from "../ledger/join.js";
import { Events } from "./events.js";
import { JsonView } from "./jsonview.js";

const NOTHING = new Map();
const plainView = (label) => new JsonView({ label, keyOf: (line) => line.path, above });

export class GeminiAnswer {
  #calls = [];

  constructor() {
    this.empty = h("p", { class: "empty" });
    this.list = h("div", { class: "calls" });
    this.element = h("div", {}, this.empty, this.list);
  }

  show(exchange) {
    this.empty.hidden = exchange.calls.length > 0;
    setText(
      this.empty,
      exchange.was_sent ? "Nothing was kept of Gemini's answer." : "This request never went to Gemini.",
    );
    if (this.key !== exchange.key) this.#clear(exchange.key);
    exchange.calls.forEach((call, index) => {
      this.#calls[index] ??= this.#add();
      this.#calls[index].show(call, index, exchange.calls.length);
    });
  }

  #clear(key) {
    this.key = key;
    this.#calls = [];
    this.list.replaceChildren();
  }

  #add() {
    const made = new CallAnswer();
    this.list.append(made.element);
    return made;
  }
}

class CallAnswer {
  constructor() {
    this.title = h("h3");
    this.whole = plainView("An answer of Gemini's");
    this.events = new Events("Events of Gemini's stream");
    this.empty = h("p", { class: "empty" });
    this.element = h(
      "section",
      { class: "call" },
      h(
        "header",
        {},
        this.title,
        copyButton(() => this.text),
      ),
      this.empty,
      this.whole.element,
      this.events.element,
    );
  }

  show(call, index, number) {
    const where = `${call.model} at ${call.upstream}, ${call.method}`;
    setText(this.title, number > 1 ? `Call ${index + 1} of ${number}: ${where}` : where);
    const isStream = call.method.startsWith("stream");
    this.text = call.events.map((event) => event.text).join("\n");
    this.empty.hidden = call.events.length > 0;
    setText(this.empty, call.events.length ? "" : nothingOf(call));
    this.whole.element.hidden = isStream || !call.events.length;
    this.events.element.hidden = !isStream || !call.events.length;
    if (isStream)
      this.events.show(
        call.events.map(({ after, text }) => ({ at: after, summary: summaryOfGemini(text), raw: text })),
      );
    else if (call.events.length) this.whole.show(call.events[0].text, NOTHING);
  }
}

function nothingOf(call) {
  const last = call.attempts.at(-1);
  if (last === undefined || last.outcome === "running") return "Nothing has come yet.";
  return last.outcome === "ok"
    ? "Its events were not kept."
    : `No answer: the last attempt ended with ${last.outcome}.`;
}

export class OpenaiAnswer {
  constructor() {
    this.view = plainView("OpenAI answer");
    this.events = new Events("Events of the answer");
    this.empty = h("p", { class: "empty" }, "Nothing has been answered yet.");
    this.title = h("h3");
    this.about = h("span", { class: "muted" });
    this.switch = h("div", { class: "segments", role: "group", "aria-label": "Form of the answer" });
    this.forms = { joined: this.#form("joined", "Joined"), events: this.#form("events", "Events") };
    this.element = h(
      "div",
      {},
      h(
        "header",
        {},
        this.title,
        this.about,
        this.switch,
        copyButton(() => this.text),
      ),
      this.empty,
      this.view.element,
      this.events.element,
    );
    this.choose("joined");
  }

  #form(name, title) {
    const made = h("button", { type: "button", onclick: () => this.choose(name) }, title);
    this.switch.append(made);
    return made;
  }

  choose(form) {
    this.form = form;
    for (const [name, made] of Object.entries(this.forms)) made.setAttribute("aria-pressed", String(name === form));
    this.#arrange();
  }

  #arrange() {
    const asEvents = this.isStream && this.form === "events";
    this.view.element.hidden = asEvents || !this.text;
    this.events.element.hidden = !asEvents;
  }

  show(exchange) {
    this.isStream = exchange.answer_times.length > 0;
    const events = this.isStream ? eventsOfFrames(exchange.answer, exchange.answer_times) : [];
    this.text = this.isStream ? JSON.stringify(joined(events)) : exchange.answer.join("");
    if (this.key !== exchange.key) this.events.show([]);
    this.key = exchange.key;
    this.events.show(events.map((event) => ({ at: event.at, summary: summaryOf(event), raw: event.raw })));
    this.empty.hidden = exchange.answer.length > 0;
    this.switch.hidden = !this.isStream;
    setText(this.title, this.isStream ? "Stream" : "Answer");
    setText(this.about, this.isStream ? aboutStream(exchange, events) : "");
    if (exchange.answer.length) this.view.show(this.text, NOTHING);
    this.#arrange();
  }
}

function aboutStream(exchange, events) {
  const times = exchange.answer_times;
  return times.length
    ? `${events.length} events from ${duration(times[0] * 1000)} to ${duration(times.at(-1) * 1000)}`
    : "";
}
