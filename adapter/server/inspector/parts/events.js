// A stream's events as a table: when each came, how long after the one before, and what it brought.

import { forEyes, h, wide } from "../base/dom.js";
import { duration } from "../base/format.js";

const MANY = 500;

// Keeps its rows: of a stream that runs, only new ones are added.
export class Events {
  #number = 0;
  #last = 0;

  constructor(label) {
    this.body = h("tbody");
    this.table = h(
      "table",
      { class: "events" },
      h("caption", { class: "for-readers" }, label),
      h(
        "thead",
        {},
        h("tr", {}, ...["#", "At", "After", "What came"].map((title) => h("th", { scope: "col" }, title))),
      ),
      this.body,
    );
    this.element = wide(label, this.table);
  }

  // Events: { at (seconds), summary, raw }.
  show(events) {
    if (events.length < this.#number) this.#clear();
    for (const event of events.slice(this.#number, MANY)) this.#add(event);
    this.table.hidden = !events.length;
  }

  #clear() {
    this.#number = this.#last = 0;
    this.body.replaceChildren();
  }

  #add({ at, summary, raw }) {
    this.#number += 1;
    const gap = at === undefined ? "" : duration((at - this.#last) * 1000);
    const long = at !== undefined && at - this.#last > 1;
    this.#last = at ?? this.#last;
    this.body.append(
      h(
        "tr",
        {},
        h("td", { class: "figure" }, String(this.#number)),
        h("td", { class: "figure" }, at === undefined ? "" : duration(at * 1000)),
        h("td", { class: long ? "figure long" : "figure" }, long ? forEyes("◷") : "", `+${gap}`),
        h("td", {}, h("details", {}, h("summary", {}, summary), h("pre", { tabindex: "0" }, raw))),
      ),
    );
  }
}
