// Badges of fates and severities: a shape, a word, a colour.

import { forEyes, forReaders, h } from "../base/dom.js";
import { FATES, SEVERITIES } from "../ledger/fates.js";

export const fateBadge = (fate) => h("span", { class: `badge ${fate}` }, forEyes(FATES[fate].glyph), FATES[fate].word);

export const severityBadge = (severity) =>
  h("span", { class: `severity ${severity}` }, forEyes(SEVERITIES[severity].glyph), SEVERITIES[severity].word);

// How many losses of each severity, small: for a row of the list.
export const lossMarks = (losses) =>
  Object.entries(losses).map(([severity, number]) =>
    h(
      "span",
      { class: `loss ${severity}`, title: SEVERITIES[severity].phrase(number) },
      forEyes(SEVERITIES[severity].glyph),
      forEyes(number, "number"),
      forReaders(`${SEVERITIES[severity].phrase(number)}. `),
    ),
  );

// How many fields had each fate, small.
export const fateMarks = (fates) =>
  Object.keys(FATES)
    .filter((fate) => fates[fate])
    .map((fate) =>
      h(
        "span",
        { class: `fate-mark ${fate}`, title: FATES[fate].word },
        forEyes(FATES[fate].glyph),
        forEyes(fates[fate], "number"),
        forReaders(`${fates[fate]} ${fate}. `),
      ),
    );
