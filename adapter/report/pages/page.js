"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const report = data.report;
const grades = ["lossless", "cosmetic", "costs", "changes-answers", "breaks"];
const find = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function colour(severity) { return `var(--${severity || "lossless"})`; }

function showHead() {
  const mapped = report.targets.find((one) => one.name === data.target);
  const fine = mapped ? mapped.requests.lossless + mapped.requests.cosmetic : 0;
  find("verdict").textContent = mapped
    ? `${number.format(fine)} of ${number.format(report.requests)} requests lose nothing that changes an answer, ${number.format(mapped.requests.breaks)} would fail.`
    : "No request was read.";
  const formats = Object.entries(report.formats).map(([name, count]) => `${number.format(count)} ${name}`).join(", ");
  find("sources").textContent = `${number.format(report.requests)} requests in ${number.format(report.conversations)} conversations from ${number.format(report.files)} files (${formats}); ${report.platform}, ${report.day}.`;
  find("privacy").textContent = data.masked
    ? "Texts and values of the requests are masked; their shapes and field names are shown."
    : "This page holds texts of the requests. Share it only with whom may read them.";
  find("prices").textContent = `Prices: ${report.prices}, ${report.prices_date}. ${number.format(report.counted)} requests have counted tokens; the others are not priced.`;
}

function bar(counts) {
  const total = grades.reduce((sum, grade) => sum + counts[grade], 0) || 1;
  const made = element("div", undefined, "bar");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", grades.map((grade) => `${counts[grade]} ${grade}`).join(", "));
  for (const grade of grades) {
    const part = element("span");
    part.style.width = `${(100 * counts[grade]) / total}%`;
    part.style.background = colour(grade);
    part.title = `${grade}: ${counts[grade]}`;
    made.append(part);
  }
  return made;
}

function showTargets() {
  const rows = find("targets").tBodies[0];
  for (const target of report.targets) {
    const row = element("tr");
    row.dataset.target = target.name;
    const name = element("td");
    const button = element("button", target.name);
    button.type = "button";
    button.addEventListener("click", () => choose(target.name));
    name.append(button);
    const chart = element("td");
    chart.append(bar(target.requests));
    row.append(name, chart, ...grades.map((grade) => element("td", number.format(target.requests[grade]))));
    row.append(element("td", target.cost.priced ? target.cost.dollars.toFixed(2) : "unknown"));
    row.append(element("td", target.ends || "", target.ends && target.ends <= report.day ? "ended" : ""));
    rows.append(row);
    find("target").append(element("option", target.name));
  }
}

function showModels() {
  const rows = find("models").tBodies[0];
  for (const model of report.asked) {
    const row = element("tr");
    row.append(element("td", model.name || "(none)"), element("td", number.format(model.requests)));
    row.append(element("td", model.shutdown || "", model.shutdown && model.shutdown <= report.day ? "ended" : ""));
    row.append(element("td", model.best));
    rows.append(row);
  }
  find("map").textContent = `--models ${data.map}`;
  find("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(data.map);
    find("copy").textContent = "Copied";
  });
}

function choose(name) {
  find("target").value = name;
  for (const row of find("targets").tBodies[0].rows) row.classList.toggle("chosen", row.dataset.target === name);
  showLosses();
}

function matches(code, words, severity) {
  if (severity && code.severity !== severity) return false;
  const text = [code.code, code.meaning, code.advice, ...Object.keys(code.fields)].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function lossItem(code) {
  const item = element("li");
  item.tabIndex = -1;
  item.dataset.code = code.code;
  item.style.borderLeftColor = colour(code.severity);
  const head = element("div", undefined, "head");
  const tag = element("span", code.severity, "tag");
  tag.style.color = colour(code.severity);
  head.append(element("span", code.code, "code"), tag);
  head.append(element("span", `${number.format(code.requests)} requests, ${number.format(code.conversations)} conversations`));
  const index = data.examples.findIndex((one) => one.notes.some((note) => note.code === code.code) || one.failure && code.examples.some((place) => place.file === one.file && place.position === one.position));
  if (index >= 0) {
    const button = element("button", "Example");
    button.type = "button";
    button.addEventListener("click", () => { showExample(index, code.code); find("example-title").scrollIntoView(); });
    head.append(button);
  }
  item.append(head, element("div", code.meaning));
  if (code.advice) item.append(element("div", code.advice));
  item.append(element("div", Object.entries(code.fields).map(([field, count]) => `${field} (${count})`).join(", "), "fields"));
  return item;
}

function showLosses() {
  const target = report.targets.find((one) => one.name === find("target").value);
  if (!target) return;
  const words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const codes = target.codes.filter((code) => matches(code, words, find("severity").value));
  find("losses").replaceChildren(...codes.map(lossItem));
  if (codes.length) find("losses").firstChild.tabIndex = 0;
  find("shown").textContent = `${codes.length} of ${target.codes.length} losses`;
  const errors = find("errors");
  errors.replaceChildren();
  const expected = Object.entries(target.errors);
  if (expected.length) {
    errors.append(element("h3", "Errors to expect"));
    const list = element("ul");
    for (const [text, count] of expected.slice(0, 20)) list.append(element("li", `${number.format(count)}: ${text}`));
    errors.append(list);
  }
}

/* A body as lines, each with its JSON pointer. */
function lines(value, pointer, key, depth, end) {
  const indent = "  ".repeat(depth);
  const label = key === null ? "" : `${JSON.stringify(key)}: `;
  if (value === null || typeof value !== "object") return [{ pointer, text: `${indent}${label}${JSON.stringify(value)}${end}` }];
  const isList = Array.isArray(value);
  const entries = isList ? value.map((item, at) => [at, item]) : Object.entries(value);
  const [open, close] = isList ? "[]" : "{}";
  if (!entries.length) return [{ pointer, text: `${indent}${label}${open}${close}${end}` }];
  const inner = entries.flatMap(([name, item], at) =>
    lines(item, `${pointer}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`, isList ? null : name, depth + 1, at + 1 < entries.length ? "," : ""));
  return [{ pointer, text: `${indent}${label}${open}` }, ...inner, { pointer, text: `${indent}${close}${end}` }];
}

/* The pointer for a path of the ledger: messages[0].content is /messages/0/content. */
function pointerOf(path) {
  return path.split(/[.[\]]+/).filter(Boolean).map((step) => `/${step}`).join("");
}

const isWithin = (pointer, place) => pointer === place || pointer.startsWith(`${place}/`);

function showBody(id, body) {
  const all = body === null ? [{ pointer: "", text: "(refused)" }] : lines(body, "", null, 0, "");
  find(id).replaceChildren(...all.map(({ pointer, text }) => {
    const line = element("div", text, "line");
    line.dataset.pointer = pointer;
    return line;
  }));
}

function lit(notes) {
  for (const one of document.querySelectorAll(".lit")) one.classList.remove("lit");
  for (const { note, item } of notes) {
    item.classList.add("lit");
    for (const line of find("openai").children) if (note.path && isWithin(line.dataset.pointer, pointerOf(note.path))) line.classList.add("lit");
    for (const line of find("gemini").children) if (note.targets.some((target) => isWithin(line.dataset.pointer, target))) line.classList.add("lit");
  }
}

function noteItem(note) {
  const item = element("li", `${note.path || "(request)"}: ${note.fate}${note.code ? `, ${note.code}` : ""}${note.reason ? `. ${note.reason}` : ""}`);
  item.tabIndex = 0;
  item.style.borderLeftColor = colour(note.fate === "exact" ? "lossless" : note.severity);
  return item;
}

function showExample(index, code) {
  const example = data.examples[index];
  if (!example) return;
  find("example").value = String(index);
  showBody("openai", example.openai);
  showBody("gemini", example.gemini);
  const pairs = example.notes.map((note) => ({ note, item: noteItem(note) }));
  const items = pairs.map(({ item }) => item);
  if (example.failure) items.unshift(element("li", `Refused: ${example.failure}`));
  find("notes").replaceChildren(...items);
  for (const pair of pairs) {
    for (const event of ["mouseenter", "focus"]) pair.item.addEventListener(event, () => lit([pair]));
    for (const line of find("openai").children) {
      if (pair.note.fate !== "exact" && line.dataset.pointer === pointerOf(pair.note.path)) line.style.borderLeftColor = colour(pair.note.severity);
    }
  }
  const near = (side, pointer) => pairs.filter(({ note }) => (side === "openai" ? [pointerOf(note.path)] : note.targets).some((place) => place && isWithin(pointer, place)));
  for (const side of ["openai", "gemini"]) {
    find(side).onmouseover = (event) => {
      const line = event.target.closest(".line");
      if (line) lit(near(side, line.dataset.pointer));
    };
  }
  lit(pairs.filter(({ note }) => code && note.code === code));
}

function showExamples() {
  data.examples.forEach((example, index) => {
    const option = element("option", `${example.position || "1"} of ${example.file.split(/[\\/]/).pop()}`);
    option.value = String(index);
    find("example").append(option);
  });
  find("example").addEventListener("change", () => showExample(Number(find("example").value)));
  showExample(0);
}

function showUnread() {
  const entries = Object.entries(report.unreadable);
  if (!entries.length) find("unread").append(element("li", "Everything was read."));
  for (const [reason, count] of entries) find("unread").append(element("li", `${number.format(count)}: ${reason} (first: ${report.unreadable_at[reason]})`));
}

function move(step) {
  const items = [...find("losses").children];
  const at = items.indexOf(document.activeElement);
  const next = items[Math.min(Math.max(at + step, 0), items.length - 1)];
  if (next) next.focus();
}

document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); find("search").focus(); }
  if (event.key === "j") move(1);
  if (event.key === "k") move(-1);
  if (event.key === "Enter" && event.target.dataset.code) event.target.querySelector("button")?.click();
});

showHead();
showTargets();
showModels();
showExamples();
showUnread();
find("target").addEventListener("change", () => choose(find("target").value));
find("search").addEventListener("input", showLosses);
find("severity").addEventListener("change", showLosses);
choose(data.target);
