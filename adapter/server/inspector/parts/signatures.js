// Where the thought signature of each call of the history came from.

import { h, wide } from "../base/dom.js";
import { age } from "../base/format.js";

const SOURCES = {
  client: "the client's own message",
  id: "the store, by the call's id",
  hash: "the store, by what the conversation says",
  "stand-in": "Gemini's stand-in for a lost one",
  "": "unknown: the stand-in, where Gemini wants one",
};

export class Signatures {
  #shown = null;

  constructor({ onpick }) {
    this.onpick = onpick;
    this.element = h("div");
  }

  show(exchange, notes) {
    const rows = exchange.signatures ?? [];
    const state = JSON.stringify([rows, notes.length]);
    if (state === this.#shown) return;
    this.#shown = state;
    this.element.replaceChildren(
      rows.length
        ? this.#table(rows, notes)
        : h(
            "p",
            { class: "empty" },
            "The history of this request has no function calls, so no signature was looked for.",
          ),
    );
  }

  #table(rows, notes) {
    const titles = ["Call", "Function", "Where the signature came from", "Issued by", "Age"];
    return wide(
      "Signatures",
      h(
        "table",
        {},
        h("caption", { class: "for-readers" }, "Thought signatures of the history"),
        h("thead", {}, h("tr", {}, ...titles.map((title) => h("th", { scope: "col" }, title)))),
        h("tbody", {}, ...rows.map((row) => this.#row(row, notes))),
      ),
    );
  }

  #row(row, notes) {
    const own = notes.find((note) => note.signature && note.path.startsWith(`messages[${row.message}]`));
    const source = row.source || own?.signature || "";
    return h(
      "tr",
      {},
      h("td", {}, h("code", {}, row.call || `message ${row.message}`)),
      h("td", {}, h("code", {}, row.name)),
      h("td", {}, SOURCES[source] ?? source),
      h("td", {}, row.upstream || "unknown"),
      h("td", { class: "figure" }, row.issued_at ? age(Math.max(0, Date.now() / 1000 - row.issued_at)) : "unknown"),
    );
  }
}
