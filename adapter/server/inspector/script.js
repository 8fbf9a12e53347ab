"use strict";

const FATES = ["exact", "approximated", "injected", "dropped", "rejected"];
const shown = new Set(FATES);
const byId = (id) => document.getElementById(id);
const known = new Map();
let current = null;
let tries = 1;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function row(exchange) {
  const button = element("button");
  button.append(element("span", exchange.model_asked || exchange.path, "model"));
  const kind = exchange.stream ? "stream" : "whole";
  const facts = element("small", `${new Date(exchange.started_at * 1000).toLocaleTimeString()} · ${kind} · ${exchange.milliseconds} ms · `);
  facts.append(element("span", exchange.status, exchange.status >= 400 ? "failed" : ""));
  const fates = element("small");
  for (const fate of FATES) {
    if (exchange.fates[fate]) fates.append(element("span", `${exchange.fates[fate]} ${fate} `, fate));
  }
  button.append(facts, fates);
  button.setAttribute("aria-current", exchange.id === current);
  button.addEventListener("click", () => open(exchange.id));
  const item = element("li");
  item.append(button);
  return item;
}

function noteRow(note, direction) {
  const made = element("tr");
  const why = note.signature ? `${note.reason} (source: ${note.signature})` : note.reason;
  made.append(element("td", `${direction} ${note.path}`), element("td", note.fate, `fate ${note.fate}`), element("td", why));
  made.hidden = !shown.has(note.fate);
  made.dataset.fate = note.fate;
  return made;
}

// Each of several processes has exchanges of its own, and any of them may answer.
async function detail(id) {
  let answer;
  for (let left = tries; left > 0; left -= 1) {
    answer = await fetch(`inspector/exchanges/${encodeURIComponent(id)}`);
    if (answer.status !== 404) break;
  }
  return answer;
}

async function open(id) {
  const answer = await detail(id);
  if (!answer.ok) return;
  const exchange = await answer.json();
  current = id;
  history.replaceState(null, "", `#${id}`);
  byId("detail").hidden = false;
  byId("title").textContent = `${exchange.path} · ${exchange.id}`;
  const sent = exchange.model && exchange.model !== exchange.model_asked ? ` → ${exchange.model}` : "";
  byId("facts").textContent = `${exchange.model_asked}${sent} · HTTP ${exchange.status} · ${exchange.milliseconds} ms`;
  const rows = exchange.notes.map((note) => noteRow(note, "→")).concat(exchange.reply_notes.map((note) => noteRow(note, "←")));
  byId("notes").replaceChildren(...rows);
  byId("request").textContent = pretty(exchange.request);
  byId("upstream-request").textContent = pretty(exchange.upstream_request);
  byId("answer").textContent = exchange.answer.map(pretty).join("");
  await refresh();
}

async function refresh() {
  const answer = await fetch("inspector/exchanges");
  if (!answer.ok) return;
  const { upstream, processes, exchanges } = await answer.json();
  const from = upstream === "emulator" ? "answers come from the built-in Gemini emulator" : `upstream: ${upstream}`;
  byId("upstream").textContent = processes > 1 ? `${from} · collected from ${processes} processes, one after the other` : from;
  tries = processes > 1 ? 10 * processes : 1;
  if (processes === 1) known.clear();
  for (const exchange of exchanges) known.set(exchange.id, exchange);
  const rows = [...known.values()].sort((a, b) => b.started_at - a.started_at).slice(0, 100);
  byId("empty").hidden = rows.length > 0;
  byId("exchanges").replaceChildren(...rows.map(row));
}

function filters() {
  for (const fate of FATES) {
    const box = element("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      box.checked ? shown.add(fate) : shown.delete(fate);
      for (const note of byId("notes").children) note.hidden = !shown.has(note.dataset.fate);
    });
    const label = element("label", ` ${fate}`, fate);
    label.prepend(box);
    byId("filter").append(label);
  }
}

byId("base-url").textContent = new URL("v1/chat/completions", location.href).href;
filters();
refresh();
if (location.hash) open(decodeURIComponent(location.hash.slice(1)));
setInterval(() => document.hidden || refresh(), 2000);
