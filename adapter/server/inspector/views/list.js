// The list of requests: links, so that each has an address; rows are kept, so that focus and scroll survive changes.

import { button, forEyes, forReaders, h, setClass, setText } from "../base/dom.js";
import { clock, duration, shortPath } from "../base/format.js";
import { KeyedList } from "../base/keyed.js";
import { linkTo } from "../base/route.js";
import { lossMarks } from "../parts/marks.js";
import { Filters } from "./filters.js";

const MOST = 100;
export const STILL = 5_000;
const OUTCOMES = {
  running: ["◌", "running"],
  complete: ["✓", "answered"],
  error: ["✕", "failed"],
  broken: ["✕", "broken off"],
  gone: ["⊘", "client gone"],
};

export class List {
  #rows = new Map();
  #held = [];
  #cleared = new Set();
  #offset = 0;
  selected = "";

  constructor({ empty, onchange = () => {} }) {
    this.onchange = onchange;
    this.filters = new Filters(() => this.draw());
    this.items = h("ol", { class: "rows" });
    this.box = h("div", { class: "rows-box", tabindex: "-1" }, this.items);
    this.list = new KeyedList(this.items, {
      keyOf: (row) => row.key,
      make: (row) => makeRow(row),
      update: (node, row) => this.#update(node, row),
    });
    this.pause = button("Pause", () => this.#togglePause(), { "aria-pressed": "false" });
    this.clear = button("Clear", () => this.#clear());
    this.empty = empty;
    this.none = h("p", { class: "empty", hidden: true });
    this.restore = h("p", { class: "restore", hidden: true });
    this.number = h("span", { class: "muted number", role: "status" });
    this.element = h(
      "section",
      { class: "list", "aria-label": "Requests" },
      h(
        "div",
        { class: "tools" },
        this.filters.search,
        h("div", { class: "buttons" }, this.filters.toggle, this.pause, this.clear, this.number),
        this.filters.panel,
      ),
      this.empty,
      this.none,
      this.restore,
      this.box,
    );
    this.box.addEventListener("keydown", (event) => this.#keys(event));
    setInterval(() => this.#tick(), 500);
  }

  // What the feed tells. While paused it waits.
  take(changes) {
    if (this.isPaused) {
      this.#held.push(changes);
      setText(this.pause, `Go on (${new Set(this.#held.flatMap(({ rows }) => rows.map((row) => row.key))).size})`);
      return;
    }
    const { now, reset, rows, kept } = changes;
    this.#offset = now - Date.now() / 1000;
    if (reset) this.#rows.clear();
    for (const row of rows) this.#rows.set(row.key, row);
    this.#keep(new Set(kept ?? this.rows.map((row) => row.key)));
    this.draw();
    this.onchange(rows);
  }

  #keep(kept) {
    for (const key of this.#rows.keys()) if (!kept.has(key)) this.#rows.delete(key);
  }

  find(key) {
    return this.#rows.get(key) ?? [...this.#rows.values()].find((row) => row.id === key);
  }

  get rows() {
    return [...this.#rows.values()]
      .filter((row) => !this.#cleared.has(row.key))
      .sort((a, b) => b.started_at - a.started_at)
      .slice(0, MOST);
  }

  draw() {
    const rows = this.rows;
    this.filters.offer(rows);
    this.shown = this.filters.apply(rows);
    this.list.show(this.shown);
    this.empty.hidden = this.#rows.size > 0;
    this.none.hidden = !(rows.length && !this.shown.length);
    this.none.replaceChildren("No request fits the search and the filters. ", this.filters.clears);
    setText(
      this.number,
      rows.length === this.shown.length ? `${rows.length}` : `${this.shown.length} of ${rows.length}`,
    );
    const cleared = [...this.#rows.keys()].filter((key) => this.#cleared.has(key)).length;
    this.restore.hidden = !cleared;
    this.restore.replaceChildren(
      `${cleared} cleared. `,
      button("Bring them back", () => {
        this.#cleared.clear();
        this.draw();
      }),
    );
  }

  #update(node, row) {
    if (node.row === row && node.selected === this.selected) return;
    node.row = row;
    node.selected = this.selected;
    fillRow(node, row);
    const is = [row.key, row.id].includes(this.selected);
    setClass(node, "selected", is);
    if (is) node.firstElementChild.setAttribute("aria-current", "true");
    else node.firstElementChild.removeAttribute("aria-current");
    this.#tickRow(node);
  }

  #tick() {
    for (const node of this.items.children) if (node.row?.running) this.#tickRow(node);
  }

  // How long a request runs, and since when nothing came: a hung one stands out.
  #tickRow(node) {
    const { row } = node;
    if (!row.running) return;
    const { elapsed, still } = this.elapsed(row);
    setText(node.querySelector(".took"), duration(elapsed));
    setClass(node, "quiet", still > STILL);
  }

  // How long a request runs, and how long Gemini has said nothing, in milliseconds of the server's clock.
  elapsed(row) {
    const elapsed = Math.max(0, (Date.now() / 1000 + this.#offset - row.started_at) * 1000);
    return { elapsed, still: elapsed - row.last_event_ms };
  }

  select(key) {
    this.selected = key;
    this.draw();
    this.list.node(this.find(key)?.key)?.scrollIntoView({ block: "nearest" });
  }

  // The row after the selected one, or before it.
  neighbour(step) {
    const at = this.shown.findIndex((row) => [row.key, row.id].includes(this.selected));
    return at < 0 ? this.shown[0] : this.shown[Math.min(this.shown.length - 1, Math.max(0, at + step))];
  }

  focus(key) {
    this.list.node(key)?.firstElementChild.focus();
  }

  #keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const nodes = [...this.items.children];
    const at = nodes.findIndex((node) => node.contains(document.activeElement));
    nodes[Math.min(nodes.length - 1, Math.max(0, at + step))]?.firstElementChild.focus();
    event.preventDefault();
  }

  get isPaused() {
    return this.pause.getAttribute("aria-pressed") === "true";
  }

  #togglePause() {
    this.pause.setAttribute("aria-pressed", String(!this.isPaused));
    this.pause.textContent = this.isPaused ? "Go on" : "Pause";
    if (!this.isPaused) this.#held.splice(0).forEach((changes) => this.take(changes));
  }

  #clear() {
    for (const key of this.#rows.keys()) this.#cleared.add(key);
    this.draw();
  }
}

function makeRow(row) {
  const made = h(
    "li",
    {},
    h(
      "a",
      { href: linkTo("requests", row.key) },
      h(
        "span",
        { class: "top" },
        h("span", { class: "state" }),
        h("span", { class: "models" }),
        h("time", { class: "muted" }),
      ),
      h("span", { class: "middle" }, h("span", { class: "excerpt" }), h("span", { class: "losses" })),
      h("span", { class: "facts muted" }),
    ),
  );
  return made;
}

function fillRow(node, row) {
  const [glyph, word] = OUTCOMES[row.outcome] ?? OUTCOMES.complete;
  node.className = row.outcome;
  const find = (name) => node.querySelector(name);
  find(".state").replaceChildren(forEyes(glyph), forReaders(`${word}. `));
  const answered = row.model && row.model !== row.model_asked ? row.model : "";
  find(".models").replaceChildren(
    row.model_asked || (answered ? "" : shortPath(row.path)),
    answered ? h("span", { class: "answered" }, forEyes(" → "), forReaders(" answered by "), answered) : "",
  );
  setText(find("time"), clock(row.started_at));
  setText(find(".excerpt"), row.error && !row.excerpt ? row.error : row.excerpt);
  const tokens = row.tokens ? `${row.tokens[0] ?? 0}→${row.tokens[1] ?? 0} tok` : "";
  const facts = [
    row.running ? (row.events ? `${row.events} events` : "waiting") : String(row.status),
    h("span", { class: "took" }, row.running ? "" : duration(row.milliseconds)),
    row.first_event_ms ? `first ${duration(row.first_event_ms)}` : "",
    tokens,
    shortPath(row.path),
  ];
  find(".facts").replaceChildren(
    ...facts.filter(Boolean).flatMap((fact, index) => [index ? forEyes(" · ", "dot") : "", fact]),
  );
  find(".losses").replaceChildren(...lossMarks(row.losses));
}
