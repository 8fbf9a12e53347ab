// Each call to Gemini with its attempts, and where a request went when a place failed.

import { forEyes, h, wide } from "../base/dom.js";
import { duration } from "../base/format.js";

export class Attempts {
  #shown = null;

  constructor() {
    this.element = h("div");
  }

  show(exchange, notes) {
    const fallbacks = notes.filter((note) => note.code === "upstream-fallback" || note.code === "model-fallback");
    const state = JSON.stringify([exchange.calls.map((call) => call.attempts), fallbacks]);
    if (state === this.#shown) return;
    this.#shown = state;
    const rows = exchange.calls.flatMap((call, index) =>
      call.attempts.map((attempt, at) => ({ call, index, attempt, at })),
    );
    const empty =
      exchange.was_sent || exchange.running ? "No attempt has been made yet." : "This request never went to Gemini.";
    this.element.replaceChildren(
      fallbacks.length
        ? h(
            "ul",
            { class: "fallbacks" },
            fallbacks.map((note) => h("li", {}, forEyes("↪"), note.reason)),
          )
        : "",
      rows.length ? table(rows) : h("p", { class: "empty" }, empty),
    );
  }
}

function table(rows) {
  const titles = ["Call", "Attempt", "Model", "Upstream", "Sent at", "Took", "HTTP", "Ended"];
  return wide(
    "Attempts",
    h(
      "table",
      {},
      h("caption", { class: "for-readers" }, "Attempts"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          titles.map((title) => h("th", { scope: "col" }, title)),
        ),
      ),
      h("tbody", {}, rows.map(row)),
    ),
  );
}

const MARKS = { ok: "✓", running: "…", cancelled: "⊘" };

function row({ call, index, attempt, at }) {
  const took = attempt.ended_after === undefined ? "runs" : duration((attempt.ended_after - attempt.after) * 1000);
  const end = { ok: "ok", running: "running" }[attempt.outcome] ?? "failed";
  return h(
    "tr",
    {},
    h("td", { class: "figure" }, String(index + 1)),
    h("td", { class: "figure" }, String(at + 1)),
    h("td", {}, h("code", {}, call.model)),
    h("td", {}, call.upstream),
    h("td", { class: "figure" }, duration(attempt.after * 1000)),
    h("td", { class: "figure" }, took),
    h("td", { class: "figure" }, attempt.status === null ? "none" : String(attempt.status)),
    h("td", {}, h("span", { class: `ending ${end}` }, forEyes(MARKS[attempt.outcome] ?? "✕"), attempt.outcome)),
  );
}
