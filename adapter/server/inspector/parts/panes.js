// The OpenAI request and the Gemini request side by side: pointing at a field lights what became of it.

import { h, setText } from "../base/dom.js";
import { splitter } from "../base/split.js";
import { copyButton } from "../base/clipboard.js";
import { above, abovePointer } from "../ledger/lines.js";
import { FATES } from "../ledger/fates.js";
import { fateBadge, severityBadge } from "./marks.js";
import { JsonView } from "./jsonview.js";

const HINT = "Point at a field to see where it went. Arrow keys go from field to field, a click holds one.";

export class Panes {
  #pinned = null;
  #notes = [];
  #shown = null;

  constructor() {
    this.left = new JsonView({
      label: "OpenAI request",
      keyOf: (line) => line.path,
      above,
      onpoint: (key) => this.#pointLeft(key),
      onpin: (key) => this.#pin(this.#ofPath(key)),
    });
    this.right = new JsonView({
      label: "Gemini request",
      keyOf: (line) => line.pointer,
      above: abovePointer,
      onpoint: (key) => this.#pointRight(key),
      onpin: (key) => this.#pin(this.#ofPointer(key)),
    });
    this.leftTitle = h("h3", {}, "OpenAI request");
    this.rightTitle = h("h3", {}, "Gemini request");
    this.leftEmpty = h("p", { class: "empty", hidden: true });
    this.rightEmpty = h("p", { class: "empty", hidden: true });
    this.hint = h("div", { class: "hint", role: "status" }, HINT);
    this.rightNote = h("span", { class: "muted" });
    const panes = h("div", { class: "panes" });
    const left = h(
      "section",
      { class: "pane", "aria-label": "OpenAI request" },
      h(
        "header",
        {},
        this.leftTitle,
        copyButton(() => this.request),
      ),
      this.leftEmpty,
      this.left.element,
    );
    const right = h(
      "section",
      { class: "pane", "aria-label": "Gemini request" },
      h(
        "header",
        {},
        this.rightTitle,
        this.rightNote,
        copyButton(() => this.upstream),
      ),
      this.rightEmpty,
      this.right.element,
    );
    panes.append(left, splitter(panes, { label: "Width of the OpenAI request", property: "--left", axis: "x" }), right);
    this.element = panes;
  }

  // `notes` have a path and targets. `empty` says why a side has nothing to show.
  show({
    request,
    upstream,
    notes,
    rightTitle,
    rightNote = "",
    leftEmpty = "Nothing was kept of this request.",
    rightEmpty = "Nothing was made for Gemini.",
  }) {
    this.request = request;
    this.upstream = upstream;
    const state = JSON.stringify([request, upstream, notes]);
    const isSame = this.#shown === state;
    this.#shown = state;
    this.#notes = isSame ? this.#notes : notes;
    setText(this.rightTitle, rightTitle);
    setText(this.rightNote, rightNote);
    showSide(this.left, this.leftEmpty, request, byPath(notes), leftEmpty);
    showSide(this.right, this.rightEmpty, upstream, byTarget(notes), rightEmpty);
    if (!isSame) this.#pin([]);
  }

  // Hold the notes of a path, as a click on it does.
  pin(path) {
    this.#pin(this.#ofPath(path) ?? this.#notes.filter((note) => note.path === path), { scrollLeft: true });
  }

  #ofPath(key) {
    return key === null ? [] : this.#notes.filter((note) => note.path === key);
  }

  #ofPointer(key) {
    return key === null ? [] : this.#notes.filter((note) => (note.targets ?? []).includes(key));
  }

  #pointLeft(key) {
    if (this.#pinned === null) this.#light(this.#ofPath(key), { scrollRight: true });
  }

  #pointRight(key) {
    if (this.#pinned === null) this.#light(this.#ofPointer(key), { scrollLeft: true });
  }

  #pin(notes, where = {}) {
    const isSame = this.#pinned !== null && notes.length && this.#pinned === notes[0];
    this.#pinned = isSame ? null : (notes[0] ?? null);
    this.#light(isSame ? [] : notes, { scrollLeft: true, scrollRight: true, ...where });
    this.element.classList.toggle("pinned", this.#pinned !== null);
  }

  #light(notes, { scrollLeft = false, scrollRight = false } = {}) {
    this.left.light(
      notes.map((note) => note.path),
      { scroll: scrollLeft },
    );
    this.right.light(
      notes.flatMap((note) => note.targets ?? []),
      { scroll: scrollRight },
    );
    this.hint.replaceChildren(...(notes.length ? notes.slice(0, 3).map(explained) : [HINT]));
  }
}

function showSide(view, empty, text, marks, why) {
  view.show(text || "null", marks);
  view.element.hidden = !text;
  empty.hidden = Boolean(text);
  setText(empty, text ? "" : why);
}

function explained(note) {
  const targets = note.targets ?? [];
  const where = targets.length
    ? [" → ", h("code", {}, targets[0]), targets.length > 1 ? ` and ${targets.length - 1} more` : ""]
    : [];
  return h(
    "p",
    {},
    fateBadge(note.fate),
    note.severity ? severityBadge(note.severity) : "",
    h("code", {}, note.path),
    ...where,
    " ",
    note.reason ? `${note.reason}.` : FATES[note.fate].what,
    note.advice ? h("span", { class: "muted" }, ` ${note.advice}`) : "",
  );
}

function collect(entries) {
  const marks = new Map();
  for (const [key, note] of entries) marks.set(key, [...(marks.get(key) ?? []), note]);
  return marks;
}

const byPath = (notes) => collect(notes.map((note) => [note.path, note]));
const byTarget = (notes) => collect(notes.flatMap((note) => (note.targets ?? []).map((target) => [target, note])));
