// Fates and severities: their marks, words and order. A mark is a shape as well as a colour.

export const FATES = {
  rejected: { glyph: "⊘", word: "rejected", what: "The request was refused because of it." },
  dropped: { glyph: "✕", word: "dropped", what: "It did not arrive." },
  approximated: { glyph: "≈", word: "approximated", what: "Something close to it arrived." },
  injected: { glyph: "+", word: "injected", what: "The adapter added it." },
  exact: { glyph: "=", word: "exact", what: "It arrived as it was meant." },
};

const losses = (n, one, many) => (n === 1 ? `1 loss that ${one}` : `${n} losses that ${many}`);

export const SEVERITIES = {
  breaks: { glyph: "■", one: "breaks", phrase: (n) => losses(n, "breaks it", "break it"), word: "breaks" },
  "changes-answers": {
    glyph: "▲",
    phrase: (n) => losses(n, "changes the answer", "change the answer"),
    word: "changes the answer",
  },
  costs: { glyph: "◆", phrase: (n) => losses(n, "costs more", "cost more"), word: "costs more" },
  cosmetic: { glyph: "○", phrase: (n) => `${n} cosmetic ${n === 1 ? "loss" : "losses"}`, word: "cosmetic" },
};

const FATE_ORDER = Object.keys(FATES);
const SEVERITY_ORDER = Object.keys(SEVERITIES);

export const gravestFate = (notes) => FATE_ORDER.find((fate) => notes.some((note) => note.fate === fate));
export const gravity = (note) => (note.severity ? SEVERITY_ORDER.indexOf(note.severity) : SEVERITY_ORDER.length);

const NAMED = 4;
const LONGEST = 40;

// A path of many steps by its first one and its last two.
export function shortName(path) {
  const steps = path.match(/(?:\[\d+\]|[^.[\]]+)/g) ?? [path];
  if (path.length <= LONGEST || steps.length < 5) return path;
  const first = path.match(/^[^.[]+(?:\[\d+\])*/)[0];
  return `${first}…${steps.slice(-2).join(".").replaceAll(".[", "[")}`;
}

// The names of fields, what did not arrive at all first, at most four: the rest is a number.
export function namesOf(notes) {
  const gravest = [...notes].sort((a, b) => FATE_ORDER.indexOf(a.fate) - FATE_ORDER.indexOf(b.fate));
  const names = [...new Set(gravest.map((note) => shortName(note.path)))];
  const shown = names.slice(0, names.length > NAMED + 1 ? NAMED : NAMED + 1).join(", ");
  const more = names.length - NAMED;
  return more > 1 ? `${shown} and ${more} more` : shown;
}

// What the ledger comes to, by severity, the gravest first; what is grave is named.
export function lossesOf(notes) {
  return SEVERITY_ORDER.map((severity) => {
    const own = notes.filter((note) => note.severity === severity);
    return {
      severity,
      number: own.length,
      phrase: SEVERITIES[severity].phrase(own.length),
      names: severity === "cosmetic" ? "" : namesOf(own),
    };
  }).filter((loss) => loss.number);
}

export function verdictText(notes, { asked, answered }) {
  const models = answered && answered !== asked ? `${asked} → ${answered}` : asked || answered;
  const parts = lossesOf(notes).map((loss) => (loss.names ? `${loss.phrase} (${loss.names})` : loss.phrase));
  return `${models}: ${parts.join(", ") || "nothing lost"}`;
}

// Equal notes as one: by fate and code, the gravest first; what arrived as it was meant comes last, as one group.
export function grouped(notes) {
  const groups = new Map();
  for (const note of notes) {
    const key = `${note.way ?? ""} ${note.fate} ${note.code ?? ""} ${note.signature ?? ""}`;
    if (!groups.has(key))
      groups.set(key, {
        key,
        fate: note.fate,
        code: note.code,
        severity: note.severity,
        advice: note.advice,
        way: note.way,
        notes: [],
      });
    groups.get(key).notes.push(note);
  }
  return [...groups.values()].sort(
    (a, b) => gravity(a) - gravity(b) || FATE_ORDER.indexOf(a.fate) - FATE_ORDER.indexOf(b.fate),
  );
}
