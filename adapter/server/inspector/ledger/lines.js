// JSON as lines, each with its path. Scalars stay as they were written: reading them would round long numbers.
//
// A line: { depth, key, text, kind, path, pointer, end }. `kind` is string, number, word, open, close or empty; `path` is
// written as the ledger writes it (messages[0].content), `pointer` by RFC 6901; of an open line `end` is its closing one.

const TOKEN = /\s*(?:([{}\[\],:])|("(?:[^"\\]|\\[^])*")|(-?[0-9][0-9.eE+-]*|true|false|null))/y;
const CLOSING = { "{": "}", "[": "]" };

export function linesOf(text) {
  try {
    return new Reader(text).read();
  } catch (error) {
    // Deeper than a stack is deep: shown as it is.
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    return text
      .split("\n")
      .map((line) => ({ depth: 0, key: null, text: line, kind: "raw", path: null, pointer: null }));
  }
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.lines = [];
  }

  read() {
    this.value(0, null, "", "");
    if (this.text.slice(this.at).trim()) throw new SyntaxError("more than one value");
    return this.lines;
  }

  token() {
    TOKEN.lastIndex = this.at;
    const found = TOKEN.exec(this.text);
    if (found === null) throw new SyntaxError(`no JSON at ${this.at}`);
    this.at = TOKEN.lastIndex;
    return { sign: found[1], string: found[2], other: found[3] };
  }

  peek() {
    const at = this.at;
    const { sign } = this.token();
    this.at = at;
    return sign;
  }

  value(depth, key, path, pointer) {
    const { sign, string, other } = this.token();
    const line = { depth, key, path, pointer, comma: false };
    this.lines.push(line);
    if (string !== undefined) Object.assign(line, { kind: "string", text: string });
    else if (other !== undefined) Object.assign(line, { kind: /^[tfn]/.test(other) ? "word" : "number", text: other });
    else if (sign in CLOSING) this.container(line, sign);
    else throw new SyntaxError(`no value at ${this.at}`);
  }

  container(line, sign) {
    if (this.peek() === CLOSING[sign]) {
      this.token();
      Object.assign(line, { kind: "empty", text: sign + CLOSING[sign] });
      return;
    }
    Object.assign(line, { kind: "open", text: sign });
    for (let index = 0; ; index += 1) {
      const first = this.lines.length;
      this.member(line, sign, index);
      const next = this.token().sign;
      if (next === CLOSING[sign]) break;
      if (next !== ",") throw new SyntaxError(`no comma at ${this.at}`);
      this.endOf(first).comma = true;
    }
    line.end = this.lines.length;
    this.lines.push({
      depth: line.depth,
      key: null,
      kind: "close",
      text: CLOSING[sign],
      path: line.path,
      pointer: line.pointer,
      comma: false,
    });
  }

  endOf(first) {
    return this.lines[this.lines[first].end ?? first];
  }

  member(line, sign, index) {
    if (sign === "[") {
      this.value(line.depth + 1, null, `${line.path}[${index}]`, `${line.pointer}/${index}`);
      return;
    }
    const { string } = this.token();
    if (string === undefined || this.token().sign !== ":") throw new SyntaxError(`no member at ${this.at}`);
    const name = JSON.parse(string);
    const step = name.replaceAll("~", "~0").replaceAll("/", "~1");
    this.value(line.depth + 1, string, line.path ? `${line.path}.${name}` : name, `${line.pointer}/${step}`);
  }
}

// A path and the ones above it, the longest first.
export function* above(path) {
  for (let left = path; left; left = left.slice(0, Math.max(left.lastIndexOf("."), left.lastIndexOf("["), 0)))
    yield left;
}

// A pointer and the ones above it, the longest first.
export function* abovePointer(pointer) {
  for (let left = pointer; left; left = left.slice(0, left.lastIndexOf("/"))) yield left;
}
