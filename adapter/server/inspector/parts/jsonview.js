// A JSON document with a gutter: the mark of each field's fate, a bar along what it covers, and folds.
//
// `marks` are notes by the key of a line (its path or its pointer). Who points at a line, or moves there by the arrow
// keys, is told by `onpoint` of the nearest key that has a mark.

import { button, forEyes, h, setClass } from "../base/dom.js";
import { linesOf } from "../ledger/lines.js";
import { FATES, gravestFate } from "../ledger/fates.js";

const LONG = 1_200;
const FOLD_FROM = 600;

export class JsonView {
  #rows = [];
  #lines = [];
  #at = 0;
  #shown = null;

  constructor({ label, keyOf, above, onpoint = () => {}, onpin = () => {} }) {
    this.keyOf = keyOf;
    this.above = above;
    this.onpoint = onpoint;
    this.onpin = onpin;
    this.element = h("div", { class: "json", role: "group", "aria-label": label, tabindex: "0" });
    this.element.addEventListener("keydown", (event) => this.#keys(event));
    this.element.addEventListener("pointerover", (event) => this.#point(event));
    this.element.addEventListener("pointerleave", () => this.onpoint(null));
    this.element.addEventListener("focusin", (event) => this.#point(event));
    this.element.addEventListener("click", (event) => this.#click(event));
  }

  // Nothing is drawn again that stands there already: scroll and folds survive.
  show(text, marks) {
    const state = `${text}\n${JSON.stringify([...marks])}`;
    if (state === this.#shown) return;
    this.#shown = state;
    this.marks = marks;
    this.#lines = linesOf(text);
    this.#at = 0;
    this.#rows = this.#lines.map((line, index) => this.#row(line, index));
    this.element.replaceChildren(...this.#rows);
    this.element.scrollTop = 0;
    if (this.#lines.length > FOLD_FROM) this.#foldQuiet();
  }

  get first() {
    return this.#lines[0];
  }

  // Light what belongs to keys, and bring the first of it into view.
  light(keys, { scroll = false, name = "lit" } = {}) {
    const lit = new Set();
    let first = null;
    this.#lines.forEach((line, index) => {
      if (line.kind === "close" || !keys.includes(this.keyOf(line))) return;
      first ??= index;
      for (let at = index; at <= (line.end ?? index); at += 1) lit.add(at);
    });
    this.#rows.forEach((row, index) => setClass(row, name, lit.has(index)));
    if (first !== null && scroll) this.#reveal(first);
    return first !== null;
  }

  // The nearest key at or above a line that has a mark.
  markedKey(line) {
    const key = this.keyOf(line);
    if (key === null) return null;
    for (const one of this.above(key)) if (this.marks.has(one)) return one;
    return null;
  }

  #row(line, index) {
    const key = line.kind === "close" ? null : this.keyOf(line);
    const notes = key === null ? undefined : this.marks.get(key);
    const row = h("div", { class: "line", "data-index": index }, this.#gutter(line, notes), this.#code(line, index));
    row.style.setProperty("--depth", line.depth);
    const marked = this.markedKey(line);
    if (marked !== null) row.classList.add("under", gravestFate(this.marks.get(marked)));
    return row;
  }

  #gutter(line, notes) {
    if (notes === undefined) return h("span", { class: "gutter" });
    const fate = gravestFate(notes);
    const name = this.keyOf(line) || "the whole";
    const why = notes
      .map((note) => note.reason)
      .filter(Boolean)
      .join("; ");
    return h(
      "button",
      {
        type: "button",
        class: `gutter ${fate}`,
        tabindex: "-1",
        "aria-label": `${name}: ${FATES[fate].word}${why ? `. ${why}` : ""}`,
      },
      forEyes(FATES[fate].glyph),
    );
  }

  #code(line, index) {
    const code = h("span", { class: "code" });
    if (line.kind === "open")
      code.append(
        h(
          "button",
          {
            type: "button",
            class: "fold",
            tabindex: "-1",
            "aria-label": "Fold",
            "aria-expanded": "true",
            "data-fold": index,
          },
          forEyes("▾"),
        ),
      );
    if (line.key !== null) code.append(h("span", { class: "key" }, line.key), ": ");
    code.append(
      line.kind === "string" ? stringValue(line.text) : h("span", { class: `value ${line.kind}` }, line.text),
    );
    if (line.comma) code.append(",");
    return code;
  }

  #click(event) {
    const fold = event.target.closest("[data-fold]");
    if (fold) return this.#fold(Number(fold.dataset.fold));
    const row = event.target.closest(".line");
    if (!row || String(getSelection())) return undefined;
    const key = this.markedKey(this.#lines[Number(row.dataset.index)]);
    return key === null ? undefined : this.onpin(key);
  }

  #fold(index, is = !this.#rows[index].classList.contains("folded")) {
    const line = this.#lines[index];
    setClass(this.#rows[index], "folded", is);
    this.#rows[index].querySelector(".fold").setAttribute("aria-expanded", String(!is));
    for (let at = index + 1; at <= line.end; at += 1) {
      this.#rows[at].hidden = is;
      // What is folded inside stays folded.
      if (!is && this.#rows[at].classList.contains("folded")) at = this.#lines[at].end;
    }
  }

  // Of a long document, what arrived as it was meant is folded from the third level on.
  #foldQuiet() {
    this.#lines.forEach((line, index) => {
      if (line.kind !== "open" || line.depth < 2 || this.#rows[index].hidden) return;
      const inside = this.#lines.slice(index, line.end);
      const isQuiet = inside.every((one) =>
        (this.marks.get(this.keyOf(one)) ?? []).every((note) => note.fate === "exact"),
      );
      if (isQuiet && inside.length > 6) this.#fold(index, true);
    });
  }

  #reveal(index) {
    for (let at = 0; at < index; at += 1) {
      const { kind, end } = this.#lines[at];
      if (kind === "open" && end >= index && this.#rows[at].classList.contains("folded")) this.#fold(at, false);
    }
    const [row, box] = [this.#rows[index], this.element];
    const top = row.offsetTop;
    if (top < box.scrollTop || top + row.offsetHeight > box.scrollTop + box.clientHeight)
      box.scrollTop = Math.max(0, top - box.clientHeight / 3);
  }

  #point(event) {
    const row = event.target.closest?.(".line");
    if (!row) return;
    this.#at = Number(row.dataset.index);
    this.onpoint(this.markedKey(this.#lines[this.#at]));
  }

  // Up and down go from mark to mark.
  #keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const marked = this.#rows
      .map((row, index) => [row.querySelector("button.gutter"), index])
      .filter(([mark, index]) => mark && !this.#rows[index].hidden);
    if (!marked.length) return;
    const now = marked.findIndex(([mark]) => mark === document.activeElement);
    const next =
      now < 0
        ? (marked.find(([, index]) => index >= this.#at) ?? marked[0])
        : marked[Math.min(marked.length - 1, Math.max(0, now + step))];
    next[0].focus();
    event.preventDefault();
    event.stopPropagation();
  }
}

// A text with its line breaks shown as such; a long one up to where somebody asks for the rest.
function stringValue(text) {
  const value = h("span", { class: "value string" });
  value.append(...broken(text.length > LONG ? text.slice(0, LONG) : text));
  if (text.length > LONG) {
    const more = button(
      `… ${(text.length - LONG).toLocaleString("en")} more characters`,
      (event) => {
        event.stopPropagation();
        value.replaceChildren(...broken(text));
      },
      { class: "more" },
    );
    value.append(more);
  }
  return value;
}

function broken(text) {
  return text
    .split(/(\\n)/)
    .flatMap((piece) => (piece === "\\n" ? [h("span", { class: "escape" }, "\\n"), "\n"] : [piece]));
}
