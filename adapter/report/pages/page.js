"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const report = data.report;
const GRADES = ["lossless", "cosmetic", "costs", "changes-answers", "breaks"];
const GLYPHS = { lossless: "✓", cosmetic: "·", costs: "$", "changes-answers": "≠", breaks: "✕" };
const WORDS = {
  lossless: "nothing is lost", cosmetic: "nothing that could change an answer", costs: "tokens, calls or money",
  "changes-answers": "answers may differ", breaks: "the request fails",
};
const SOON = 90;
const FEW_MODELS = 12;
const FEW_SCHEMAS = 8;
const find = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const dollars = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });

/* ---- Small tools ---- */

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function counted(count, noun) { return `${number.format(count)} ${noun}${count === 1 ? "" : "s"}`; }
function percent(part, whole) { return whole ? `${Math.round(100 * part / whole)}\u00a0%` : "0\u00a0%"; }
function daysUntil(day) { return Math.round((Date.parse(day) - Date.parse(report.day)) / 86_400_000); }
function dayClass(day) { return !day ? "" : daysUntil(day) <= 0 ? "ended" : daysUntil(day) <= SOON ? "soon" : ""; }
function sum(counts) { return GRADES.reduce((total, grade) => total + counts[grade], 0); }
function same(counts) { return counts.lossless + counts.cosmetic + counts.costs; }
function targetNamed(name) { return report.targets.find((one) => one.name === name); }
function nameOfFile(path) { return path.split(/[\\/]/).pop(); }

function glyph(severity) {
  const mark = element("span", GLYPHS[severity], `glyph ${severity}`);
  mark.setAttribute("aria-hidden", "true");
  return mark;
}

function bar(counts) {
  const made = element("div", undefined, "bar");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", GRADES.map((grade) => `${counts[grade]} ${grade}`).join(", "));
  for (const grade of GRADES.filter((one) => counts[one])) {
    const part = element("span");
    part.style.flex = String(counts[grade]);
    part.style.background = `var(--fill-${grade})`;
    part.title = `${grade}: ${number.format(counts[grade])}`;
    made.append(part);
  }
  return made;
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying is not allowed here";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
}

/* ---- Head ---- */

function card(title, value, note, className) {
  const made = element("div", undefined, `card ${className || ""}`);
  made.append(element("p", title), element("strong", value), element("p", note));
  return made;
}

function price(target) {
  if (!target.cost.priced) return "unknown";
  return dollars.format(target.cost.dollars);
}

function showCards(mapped, best) {
  const total = sum(mapped.requests);
  const cards = [
    card("Answers stay the same", percent(same(mapped.requests), total), `${number.format(same(mapped.requests))} of ${counted(total, "request")}`),
    card("Would fail", number.format(mapped.requests.breaks), percent(mapped.requests.breaks, total), mapped.requests.breaks ? "breaks" : ""),
  ];
  const cost = mapped.cost;
  if (cost.compared) cards.push(card("Price", `${dollars.format(cost.before)} → ${dollars.format(cost.after)}`, `for ${counted(cost.compared, "request")} with counted tokens`, "small"));
  else cards.push(card("Price", price(mapped), cost.priced ? `for ${counted(cost.priced, "request")}; before: unknown` : "no request has counted tokens and a known price", "small"));
  if (best) cards.push(card("Fewest losses", best.name, `${percent(same(best.requests), sum(best.requests))} stay the same, ${number.format(best.requests.breaks)} would fail`, "small"));
  find("cards").append(...cards);
}

function showHead() {
  const mapped = targetNamed(data.target);
  find("privacy").textContent = data.masked
    ? "Masked: texts and values of the requests are replaced by their length. Names of files, models, functions and fields, and the shapes of bodies, are shown."
    : "Not masked: this page holds texts of the requests. Share it only with those who may read them.";
  find("privacy").classList.toggle("open", !data.masked);
  if (!mapped) {
    find("summary").textContent = "No request was read.";
    return;
  }
  const total = sum(mapped.requests);
  find("summary").textContent = `${counted(report.requests, "request")} in ${counted(report.conversations, "conversation")}, on the models that the map names on ${report.day}: ${number.format(same(mapped.requests))} keep their answers, ${number.format(mapped.requests["changes-answers"])} may get others, ${number.format(mapped.requests.breaks)} would fail.`;
  const lasting = report.targets.filter((one) => one.name !== data.target && (!one.ends || daysUntil(one.ends) > SOON));
  showCards(mapped, lasting[0]);
  find("headline-bar").append(bar(mapped.requests));
  for (const grade of GRADES) {
    const item = element("li");
    const mark = element("i", GLYPHS[grade]);
    mark.style.background = `var(--fill-${grade})`;
    mark.setAttribute("aria-hidden", "true");
    const words = element("span");
    words.append(element("b", number.format(mapped.requests[grade])), ` ${grade.replace("-", " ")}: ${WORDS[grade]}, ${percent(mapped.requests[grade], total)}`);
    item.append(mark, words);
    find("legend").append(item);
  }
}

/* ---- Which model ---- */

let unit = "requests";

function context(target) {
  const limits = target.limits;
  if (!limits) return ["", ""];
  const over = limits.over_input + limits.over_output;
  const text = limits.input >= 1_000_000 ? `${Math.round(limits.input / 104_857.6) / 10} M` : `${Math.round(limits.input / 1024)} k`;
  return [over ? `${text}, ${number.format(over)} over` : text, over ? "breaks" : "zero"];
}

function targetRow(target) {
  const row = element("tr", undefined, target.name === find("target").value ? "chosen" : "");
  const name = element("td");
  const button = element("button", target.name, "link");
  button.type = "button";
  button.addEventListener("click", () => { choose(target.name); find("losses").scrollIntoView(); });
  name.append(button);
  const chart = element("td", undefined, "bar-cell");
  chart.append(bar(target[unit]));
  row.append(name, chart);
  for (const grade of GRADES) {
    const cell = element("td", number.format(target[unit][grade]), `${grade === "breaks" ? "breaks " : ""}${target[unit][grade] ? "" : "zero"}`);
    cell.dataset.glyph = GLYPHS[grade];
    cell.style.setProperty("--mark", `var(--${grade})`);
    row.append(cell);
  }
  row.append(element("td", price(target), target.cost.priced ? "" : "zero"), element("td", ...context(target)), element("td", target.ends || "", dayClass(target.ends)));
  return row;
}

/* What happens today comes first, then the targets from the best to the worst. */
function orderedTargets() {
  return [...report.targets].sort((first, second) => (second.name === data.target) - (first.name === data.target));
}

function showTargets() { find("target-table").tBodies[0].replaceChildren(...orderedTargets().map(targetRow)); }

function showPrices() {
  const tokens = report.counted
    ? `${counted(report.counted, "request")} have counted tokens and are priced, the longest with ${number.format(report.most_input)} in and ${number.format(report.most_output)} out; thoughts count as output.`
    : "No request has counted tokens, so prices are unknown.";
  find("prices").textContent = `Prices: ${report.prices}, ${report.prices_date}. ${tokens}`;
}

/* ---- Which day ---- */

const PLATFORMS = { studio: "Google AI Studio", vertex: "Vertex AI", relay: "The relay" };

function calendarItem(day, texts) {
  const item = element("li", undefined, texts.length ? dayClass(day) : "today");
  const left = daysUntil(day);
  const when = left === 0 ? "today" : left > 0 ? `in ${counted(left, "day")}` : `${counted(-left, "day")} ago`;
  const date = element("time", day);
  date.dateTime = day;
  const what = element("span", undefined, "what");
  what.append(...texts.map((text) => element("span", text)));
  item.append(date, element("span", texts.length ? when : "asked about", "when"), what);
  return item;
}

/* The days on which something ends, each with a sentence for whoever ends it. */
function endings() {
  const days = new Map();
  const add = (day, who, model) => {
    const of = days.get(day) || new Map();
    days.set(day, of.set(who, [...(of.get(who) || []), model]));
  };
  for (const model of report.asked.filter((one) => one.shutdown)) add(model.shutdown, "OpenAI", `${model.name} (${counted(model.requests, "request")})`);
  for (const target of report.targets.filter((one) => one.ends)) add(target.ends, PLATFORMS[report.platform] || report.platform, target.name);
  return days;
}

function showDays() {
  const days = endings();
  find("days-hint").textContent = days.size
    ? `When models of this traffic end, seen from ${report.day}. Ask about another day with --on.`
    : `No model of this traffic has a known end. The report is about ${report.day}; ask about another day with --on.`;
  if (!days.has(report.day)) days.set(report.day, new Map());
  const ordered = [...days].sort(([first], [second]) => first.localeCompare(second));
  const said = (of) => [...of].map(([who, models]) => `${who} ends ${models.join(", ")}`);
  find("calendar").replaceChildren(...ordered.map(([day, of]) => calendarItem(day, said(of))));
}

/* ---- Which map ---- */

function askedRow(model) {
  const row = element("tr");
  row.append(element("td", model.name || "(no model)", "mono"), element("td", number.format(model.requests)));
  row.append(element("td", model.served || "nothing", "mono"), element("td", model.best || "as today", model.best ? "mono" : "zero"));
  return row;
}

function showMap() {
  const rows = find("asked-table").tBodies[0];
  const more = report.asked.length - FEW_MODELS;
  rows.replaceChildren(...report.asked.slice(0, FEW_MODELS).map(askedRow));
  find("more-models").hidden = more <= 0;
  find("more-models").textContent = `Show ${counted(more, "more model")}`;
  find("more-models").addEventListener("click", () => {
    rows.append(...report.asked.slice(FEW_MODELS).map(askedRow));
    find("more-models").hidden = true;
  });
  find("setting").hidden = !data.map;
  find("map-text").textContent = `--models ${data.map}`;
  find("copy").addEventListener("click", () => copy(`--models ${data.map}`, find("copy")));
}

/* ---- What is lost ---- */

const shownSeverities = new Set(GRADES.slice(1));

function showSeverities() {
  const codes = targetNamed(find("target").value)?.codes || [];
  find("severities").replaceChildren(...GRADES.slice(1).reverse().map((severity) => {
    const button = element("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(shownSeverities.has(severity)));
    button.append(glyph(severity), ` ${severity.replace("-", " ")} ${codes.filter((code) => code.severity === severity).length}`);
    button.addEventListener("click", () => {
      if (!shownSeverities.delete(severity)) shownSeverities.add(severity);
      button.setAttribute("aria-pressed", String(shownSeverities.has(severity)));
      showLosses();
    });
    return button;
  }));
}

function matches(code, words) {
  const text = [code.code, code.meaning, code.advice, ...Object.keys(code.fields)].join(" ").toLowerCase();
  return shownSeverities.has(code.severity) && words.every((word) => text.includes(word));
}

function exampleOf(code) {
  const isPlace = (one) => code.examples.some((place) => place.file === one.file && place.position === one.position);
  const noted = data.examples.findIndex((one) => isPlace(one) && one.notes.some((note) => note.code === code.code));
  return noted >= 0 ? noted : data.examples.findIndex((one) => one.notes.some((note) => note.code === code.code));
}

function places(code) {
  return element("p", `Seen in ${code.examples.map((place) => `${nameOfFile(place.file)}${place.position ? `, ${place.position}` : ""}`).join("; ")}${code.requests > code.examples.length ? " …" : ""}`, "places");
}

function amount(count, noun) {
  const made = element("span", number.format(count), "amount");
  made.append(element("span", ` ${noun}${count === 1 ? "" : "s"}`, "unit"));
  return made;
}

function lossItem(code, largest) {
  const item = element("li");
  const details = element("details");
  details.dataset.code = code.code;
  const summary = element("summary");
  const share = element("span", undefined, "share");
  const part = element("span");
  part.style.width = `${Math.max(100 * code.requests / largest, 1)}%`;
  part.style.background = `var(--fill-${code.severity})`;
  share.title = `${percent(code.requests, report.requests)} of all requests`;
  share.append(part);
  const word = element("span", ` (${code.severity})`, "for-readers");
  summary.append(glyph(code.severity), element("span", code.code, "code"), element("span", code.meaning, "meaning"), share, amount(code.requests, "request"), amount(code.conversations, "conversation"));
  summary.children[1].append(word);
  const detail = element("div", undefined, "detail");
  const fields = element("p", undefined, "fields");
  for (const [field, count] of Object.entries(code.fields)) {
    const chip = element("code", `${field || "(request)"} `);
    chip.append(element("b", number.format(count)));
    fields.append(chip);
  }
  if (code.advice) detail.append(element("p", code.advice, "advice"));
  detail.append(fields, places(code));
  const index = exampleOf(code);
  if (index >= 0) {
    const button = element("button", "Show an example");
    button.type = "button";
    button.addEventListener("click", () => { showExample(index, code.code); find("examples").scrollIntoView(); find("example").focus({ preventScroll: true }); });
    const line = element("p");
    line.append(button);
    detail.append(line);
  }
  details.append(summary, detail);
  item.append(details);
  return item;
}

function showLosses() {
  const target = targetNamed(find("target").value);
  if (!target) return;
  const words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const codes = target.codes.filter((code) => matches(code, words));
  const largest = Math.max(...target.codes.map((code) => code.requests));
  find("loss-list").replaceChildren(...codes.map((code) => lossItem(code, largest)));
  find("loss-list").hidden = !codes.length;
  find("shown").textContent = `${codes.length} of ${counted(target.codes.length, "kind")} of loss`;
  showErrors(Object.entries(target.errors));
}

function showErrors(expected) {
  const list = element("ul");
  for (const [text, count] of expected.slice(0, 20)) {
    const item = element("li");
    item.append(element("b", number.format(count)), element("span", text));
    list.append(item);
  }
  find("errors").replaceChildren(...(expected.length ? [element("h3", "Errors to expect"), list] : []));
}

function choose(name) {
  find("target").value = name;
  showTargets();
  showSeverities();
  showLosses();
}

/* ---- Bodies ---- */

/* A body as lines, each with its JSON pointer: [pointer, indent, key, text, isText]. */
function linesOf(value, pointer, key, depth, end) {
  const label = key === null ? "" : `${JSON.stringify(key)}: `;
  const line = (text, isText) => ({ pointer, indent: "  ".repeat(depth), label, text, isText });
  if (value === null || typeof value !== "object") return [line(`${JSON.stringify(value)}${end}`, typeof value === "string")];
  const isList = Array.isArray(value);
  const entries = isList ? value.map((item, at) => [at, item]) : Object.entries(value);
  const [open, close] = isList ? "[]" : "{}";
  if (!entries.length) return [line(`${open}${close}${end}`)];
  const inner = entries.flatMap(([name, item], at) =>
    linesOf(item, `${pointer}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`, isList ? null : name, depth + 1, at + 1 < entries.length ? "," : ""));
  return [line(open), ...inner, { pointer, indent: "  ".repeat(depth), label: "", text: `${close}${end}`, isEnd: true }];
}

function bodyLines(body) {
  return linesOf(body, "", null, 0, "").map((line) => {
    const made = element("span", line.indent, "line");
    made.dataset.pointer = line.pointer;
    if (line.isEnd) made.dataset.end = "";
    if (line.label) made.append(element("span", line.label, "key"));
    made.append(line.isText ? element("span", line.text, "text") : line.text);
    return made;
  });
}

function fill(box, body, empty) {
  const lines = element("span", undefined, "lines");
  lines.append(...(body === null ? [element("span", empty, "line")] : bodyLines(body)));
  lines.childNodes.forEach((line, at) => { line.id = `${box.id}-${at}`; });
  box.replaceChildren(lines);
}

/* ---- Examples ---- */

/* The pointer for a path of the ledger: messages[0].content is /messages/0/content. */
function pointerOf(path) { return path.split(/[.[\]]+/).filter(Boolean).map((step) => `/${step}`).join(""); }
const isWithin = (pointer, place) => place !== "" && (pointer === place || pointer.startsWith(`${place}/`));

let shown = { index: -1, pairs: [] };

function isLossy(note) { return note.fate !== "exact"; }

function noteItem(note) {
  const severity = isLossy(note) ? note.severity || "cosmetic" : "lossless";
  const item = element("li");
  const button = element("button");
  button.type = "button";
  button.append(glyph(severity), element("code", note.path || "(request)"), element("small", [note.fate, note.code, note.reason].filter(Boolean).join(" · ")));
  item.append(button);
  return { note, item, severity };
}

function light(pairs, scrolls) {
  for (const one of document.querySelectorAll(".lit")) one.classList.remove("lit");
  for (const { note, item } of pairs) {
    item.classList.add("lit");
    for (const line of find("openai").querySelectorAll(".line")) line.classList.toggle("lit", line.classList.contains("lit") || isWithin(line.dataset.pointer || "", pointerOf(note.path)));
    for (const line of find("gemini").querySelectorAll(".line")) line.classList.toggle("lit", line.classList.contains("lit") || note.targets.some((target) => isWithin(line.dataset.pointer || "", target)));
  }
  for (const id of scrolls) scrollTo(find(id), find(id).querySelector(".lit"));
}

/* Scrolls inside the box alone, never the page. */
function scrollTo(box, inner) {
  if (inner) box.scrollTop += inner.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
}

function mark(box, pairs, placesOf) {
  for (const { note, severity } of pairs.filter((pair) => isLossy(pair.note))) {
    for (const line of box.querySelectorAll(".line:not([data-end])")) {
      if (!line.dataset.glyph && placesOf(note).includes(line.dataset.pointer)) {
        line.dataset.glyph = GLYPHS[severity];
        line.style.setProperty("--mark", `var(--${severity})`);
      }
    }
  }
}

/* The notes on the innermost field around a place. */
function pairsAt(pointer, placesOf) {
  const around = shown.pairs.flatMap((pair) => placesOf(pair.note).filter((place) => isWithin(pointer, place)).map((place) => [place.length, pair]));
  const longest = Math.max(0, ...around.map(([length]) => length));
  return around.filter(([length]) => length === longest).map(([, pair]) => pair);
}

const SIDES = { openai: (note) => [pointerOf(note.path)], gemini: (note) => note.targets };

function moveTo(box, line) {
  for (const one of box.querySelectorAll(".current")) one.classList.remove("current");
  line.classList.add("current");
  box.setAttribute("aria-activedescendant", line.id);
  const other = box.id === "openai" ? "gemini" : "openai";
  light(pairsAt(line.dataset.pointer || "", SIDES[box.id]), [other, "notes"]);
  const top = line.offsetTop - box.offsetTop;
  if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 40) box.scrollTop = top - box.clientHeight / 2;
}

let pointedAt = null;

/* A page that scrolls below a pointer at rest is not pointed at. */
function isMoving(event) { return event.movementX !== 0 || event.movementY !== 0; }

function driveBody(box) {
  box.addEventListener("mousemove", (event) => {
    const line = event.target.closest(".line");
    if (line && line !== pointedAt && isMoving(event)) light(pairsAt(line.dataset.pointer || "", SIDES[box.id]), []);
    pointedAt = line;
  });
  box.addEventListener("click", (event) => {
    const line = event.target.closest(".line");
    if (line) moveTo(box, line);
  });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const lines = [...box.querySelectorAll(".line")];
    const at = lines.findIndex((line) => line.classList.contains("current"));
    moveTo(box, lines[Math.min(Math.max(at + step, 0), lines.length - 1)]);
  });
}

function showExample(index, code) {
  const example = data.examples[index];
  if (!example) return;
  find("example").value = String(index);
  fill(find("openai"), example.openai, "");
  fill(find("gemini"), example.gemini, example.failure ? "Nothing is sent: the request is refused." : "Nothing is sent.");
  find("gemini-caption").textContent = example.calls > 1 ? `Gemini request, the first of ${example.calls} calls` : "Gemini request";
  const order = (note) => isLossy(note) ? GRADES.indexOf(note.severity || "cosmetic") : -1;
  const pairs = example.notes.map(noteItem).sort((first, second) => order(second.note) - order(first.note));
  const items = pairs.map(({ item }) => item);
  if (example.failure) {
    const item = element("li");
    item.append(element("p", example.failure));
    items.unshift(item);
  }
  find("notes").replaceChildren(...items);
  shown = { index, pairs };
  for (const pair of pairs) {
    const button = pair.item.firstChild;
    button.addEventListener("mousemove", (event) => { if (isMoving(event) && !pair.item.classList.contains("lit")) light([pair], []); });
    for (const event of ["focus", "click"]) button.addEventListener(event, () => light([pair], ["openai", "gemini"]));
  }
  mark(find("openai"), pairs, SIDES.openai);
  mark(find("gemini"), pairs, SIDES.gemini);
  light(pairs.filter(({ note }) => code && note.code === code), ["notes", "openai", "gemini"]);
}

function step(by) {
  const count = data.examples.length;
  if (count) showExample((shown.index + by + count) % count);
}

function showExamples() {
  find("examples").hidden = !data.examples.length;
  data.examples.forEach((example, index) => {
    const losses = example.notes.filter(isLossy).length;
    const option = element("option", `${nameOfFile(example.file)}${example.position ? `, ${example.position}` : ""} · ${example.path} · ${losses === 1 ? "1 loss" : `${losses} losses`}`);
    option.value = String(index);
    find("example").append(option);
  });
  find("example-hint").textContent = "Requests on the map's models. Point at a note or a line, or walk through a body with the arrow keys: the same field lights up on the other side.";
  find("example").addEventListener("change", () => showExample(Number(find("example").value)));
  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  for (const id of ["openai", "gemini"]) driveBody(find(id));
  showExample(0);
}

/* ---- Schemas ---- */

function schemaBox(title, body, empty) {
  const figure = element("figure");
  const caption = element("figcaption", title);
  const box = element("div", undefined, "body");
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", title);
  const lines = element("span", undefined, "lines");
  lines.append(...(body === null ? [element("span", empty, "line")] : bodyLines(body)));
  box.append(lines);
  if (body !== null && !data.masked) {
    const button = element("button", "Copy");
    button.type = "button";
    button.addEventListener("click", () => copy(JSON.stringify(body, null, 2), button));
    caption.append(button);
  }
  figure.append(caption, box);
  return { figure, box };
}

function schemaDetail(schema) {
  const detail = element("div", undefined, "detail");
  const losses = element("ul");
  for (const [path, code, severity, reason] of schema.losses) {
    const item = element("li");
    item.append(glyph(severity), " ", element("code", path || "(root)"), element("span", ` ${code}: ${reason}`, "hint"));
    losses.append(item);
  }
  const bodies = element("div", undefined, "bodies");
  const sent = schemaBox("Sent now", schema.sent, "");
  const linted = schemaBox("Send this", schema.linted, "No schema says this on Gemini.");
  bodies.append(sent.figure, linted.figure);
  const pairs = schema.losses.map(([path, , severity]) => ({ note: { path, fate: "lost" }, severity }));
  mark(sent.box, pairs, SIDES.openai);
  detail.append(losses, bodies, element("p", `First seen in ${nameOfFile(schema.example.file)}${schema.example.position ? `, ${schema.example.position}` : ""}`, "places"));
  return detail;
}

function schemaItem(schema) {
  const item = element("li");
  const details = element("details");
  const summary = element("summary");
  const places = schema.losses.length === 1 ? "1 keyword" : `${number.format(schema.losses.length)} keywords`;
  summary.append(glyph(schema.severity), element("span", schema.name || "(no name)", "code"), element("span", `${places} in ${schema.field}`, "meaning"), element("span"), amount(schema.requests, "request"));
  summary.children[1].append(element("span", ` (${schema.severity})`, "for-readers"));
  details.append(summary);
  details.addEventListener("toggle", () => { if (details.open && details.children.length === 1) details.append(schemaDetail(schema)); });
  item.append(details);
  return item;
}

function showSchemas() {
  const masked = data.masked ? " Words in them are masked here; the JSON report has them in full." : "";
  find("schemas-hint").textContent = report.schemas.length
    ? `Tools and answer formats that lose something, the worst first, each with a schema that the emulator takes and that loses nothing.${masked}`
    : "No schema loses anything.";
  const more = report.schemas.length - FEW_SCHEMAS;
  find("schema-list").replaceChildren(...report.schemas.slice(0, FEW_SCHEMAS).map(schemaItem));
  find("schema-list").hidden = !report.schemas.length;
  find("more-schemas").hidden = more <= 0;
  find("more-schemas").textContent = `Show ${counted(more, "more schema")}`;
  find("more-schemas").addEventListener("click", () => {
    find("schema-list").append(...report.schemas.slice(FEW_SCHEMAS).map(schemaItem));
    find("more-schemas").hidden = true;
  });
}

/* ---- What was read ---- */

function group(title, entries, none) {
  const made = element("div");
  const list = element("ul");
  for (const [text, count, note] of entries) {
    const item = element("li");
    const words = element("span", text);
    if (note) words.append(element("small", note));
    item.append(element("b", number.format(count)), words);
    list.append(item);
  }
  made.append(element("h3", title), entries.length ? list : element("p", none, "hint"));
  return made;
}

function endpointNote(endpoint) {
  const grades = endpoint.grades[data.target];
  return grades ? `${number.format(same(grades))} keep their answers, ${number.format(grades.breaks)} would fail` : "";
}

function showSources() {
  const places = report.unreadable_at;
  find("read").append(
    group(`From ${counted(report.files, "file")}`, Object.entries(report.formats), "Nothing."),
    group("Endpoints", report.endpoints.map((one) => [one.path, one.requests, endpointNote(one)]), "None."),
    group("Served, and not looked into here", Object.entries(report.others), "None."),
    group("Not read", Object.entries(report.unreadable).map(([reason, count]) => [reason, count, places[reason] ? `first: ${places[reason]}` : ""]), "Everything was read."),
  );
}

/* ---- Keys ---- */

function moveLoss(by) {
  const items = [...find("loss-list").querySelectorAll("summary")];
  const at = items.indexOf(document.activeElement);
  items[Math.min(Math.max(at + by, 0), items.length - 1)]?.focus();
}

function openExample() {
  const details = document.activeElement.closest("#loss-list details");
  const index = details ? exampleOf(targetNamed(find("target").value).codes.find((code) => code.code === details.dataset.code)) : -1;
  if (index >= 0) {
    showExample(index, details.dataset.code);
    find("examples").scrollIntoView();
  }
}

const KEYS = { j: () => moveLoss(1), k: () => moveLoss(-1), e: openExample, n: () => step(1), p: () => step(-1) };

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement === find("search")) find("search").blur();
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    find("search").focus();
  }
  KEYS[event.key]?.();
});

/* ---- The section in sight ---- */

function followSections() {
  const links = [...document.querySelectorAll("nav a")];
  const sections = links.map((link) => document.querySelector(link.getAttribute("href")));
  const follow = () => {
    const line = window.innerHeight / 3;
    const at = sections.findLastIndex((section) => !section.hidden && section.getBoundingClientRect().top < line);
    if (links[at]?.hasAttribute("aria-current")) return;
    links.forEach((link, index) => index === at ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"));
    const bar = document.querySelector("nav");
    bar.scrollLeft = at < 0 ? 0 : links[at].offsetLeft - bar.offsetLeft - bar.clientWidth / 3;
  };
  document.addEventListener("scroll", follow, { passive: true });
  follow();
}

for (const button of document.querySelectorAll("[data-unit]")) {
  button.addEventListener("click", () => {
    unit = button.dataset.unit;
    for (const one of document.querySelectorAll("[data-unit]")) one.setAttribute("aria-pressed", String(one === button));
    showTargets();
  });
}
for (const target of orderedTargets()) find("target").append(element("option", target.name));
find("target").addEventListener("change", () => choose(find("target").value));
find("search").addEventListener("input", showLosses);
showHead();
showPrices();
showDays();
showMap();
showSchemas();
showExamples();
showSources();
followSections();
choose(data.target);
