// What somebody pastes: a request as JSON, a curl command, lines of a batch file. Nothing is run of it.

const DATA = new Set(["-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--json"]);
const QUOTED = String.raw`\$'((?:[^'\\]|\\[^])*)'|'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])`;
const WORD = new RegExp(String.raw`\s*((?:${QUOTED}|[^\s'"\\])+)`, "y");
const PIECE = new RegExp(String.raw`${QUOTED}|([^])`, "g");
const ENDPOINTS = ["/v1/chat/completions", "/v1/responses"];

// Requests, each { body, endpoint, name }; empty where there is nothing. Throws an Error that says what is wrong.
export function requestsOf(text) {
  const given = text.trim();
  if (!given) return [];
  if (/^(?:\$\s+)?curl\b/.test(given)) return [curl(given)];
  const lines = given.split("\n").filter((line) => line.trim());
  if (lines.length > 1 && lines.every(isObject))
    return lines.map((line, index) => ({ body: line, endpoint: "", name: nameOf(line, index) }));
  return [{ body: given, endpoint: "", name: "" }];
}

function isObject(line) {
  try {
    const value = JSON.parse(line);
    return value !== null && typeof value === "object" && !Array.isArray(value);
  } catch {
    return false;
  }
}

function nameOf(line, index) {
  const { custom_id: name } = JSON.parse(line);
  return `line ${index + 1}${name ? `: ${name}` : ""}`;
}

function curl(command) {
  const words = wordsOf(command);
  const bodies = words.flatMap((word, index) => {
    const [flag, given] =
      word.startsWith("--") && word.includes("=")
        ? [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]
        : [word, words[index + 1]];
    if (DATA.has(flag)) return [given];
    return /^-d./.test(word) ? [word.slice(2)] : [];
  });
  if (!bodies.length || bodies[0] === undefined)
    throw new Error("This curl command sends no body: paste it with its -d.");
  if (bodies[0].startsWith("@"))
    throw new Error(`The body of this curl command is a file of yours (${bodies[0]}): paste what is in it.`);
  const url = words.find((word) => /^https?:\/\//.test(word)) ?? "";
  return {
    body: bodies.join("&"),
    endpoint: ENDPOINTS.find((path) => url.split("?")[0].endsWith(path.slice(3))) ?? "",
    name: "curl",
  };
}

// The words of a command as a POSIX shell reads them; variables stay as they are written.
export function wordsOf(command) {
  const words = [];
  WORD.lastIndex = 0;
  const text = command.replaceAll(/\\\r?\n/g, " ");
  for (let found = WORD.exec(text); found !== null; found = WORD.exec(text)) words.push(unquoted(found[1]));
  return words;
}

const ESCAPES = { n: "\n", t: "\t", r: "\r", "'": "'", '"': '"', "\\": "\\" };

function unquoted(word) {
  return word.replaceAll(PIECE, (_, dollar, single, double, escaped, plain) => {
    if (dollar !== undefined) return dollar.replaceAll(/\\([^])/g, (whole, sign) => ESCAPES[sign] ?? whole);
    return single ?? double?.replaceAll(/\\(["\\$`])/g, "$1") ?? escaped ?? plain;
  });
}

// The request inside a line of a batch file, for the eye; any other text as it is.
export function requestIn(text) {
  try {
    const value = JSON.parse(text);
    return value.body && value.url ? JSON.stringify(value.body) : text;
  } catch {
    return text;
  }
}
