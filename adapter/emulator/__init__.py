"""A Gemini that runs here: strict about requests, deterministic about answers, without a network or a model.

It serves `generateContent`, `streamGenerateContent` (events with `alt=sse`, else a JSON array), `countTokens`,
`embedContent`, `batchEmbedContents` and `models`, under `/v1beta` and `/v1`. Requests are read by a field table of
their own (`fields.json`, `additions.toml`), so that a misspelled field is the 400 that Google would send. Beside the
API, `GET /emulator/stats` counts requests, verified signatures and accepted dummies, and `GET /emulator/requests`
shows the last hundred bodies.

How it answers. "The text" is the last user text; a number is written in digits or as a word up to twelve.

- Mode ANY always calls a function, also after results: the functions that the text names, else the one whose name,
  or else description, shares most words with the text, else the first. `allowedFunctionNames` narrows the choice.
- AUTO and VALIDATED call the functions that the text names (`get_time`, or `get time`), all at once, else the one
  whose name shares most words of four letters and more with the text (`get_weather` for "weather in Paris"), or else
  its description, unless the text says `say "X"`. They call once for each user text, and answer when the results are
  there. Otherwise, and in mode NONE, it answers.
- "N steps" makes N calls, one per answer; "N at once" makes N calls in one answer; both make N times M. They take the
  functions chosen above in turn, and all declared ones when none was chosen.
- Arguments, and answers in JSON, are valid for their schema: required properties, optional ones that the text names,
  and the first one when nothing is required. Strings are taken from quotes and from names after "in", "for", "of",
  "to", "from", "at", "about", "named" and "called" ("in Paris"), numbers from numbers, enumerated values by their name.
  Calls of the same function get different arguments where the schema lets them.
- When results have come, the answer quotes each of them: `NAME returned RESULT.`
- `say "X"`, `reply with "X"`, `answer "X"`, `respond with "X"`: the answer is X. "N words": that many words.
- Otherwise the answer repeats the text, counts the turns, describes the files of this turn and quotes the start of the
  system instruction. JSON without a schema is that answer as `{"answer": ...}`.
- With `includeThoughts` a summary of the thoughts comes first. Thinking costs 0, 16, 32 or 64 tokens at the levels
  MINIMAL to HIGH, 32 with a budget, and counts against `maxOutputTokens`.
- `googleSearch` adds grounding metadata, `urlContext` the addresses in the text, `codeExecution` a line of code when
  the text speaks of code, running or computing.
- Image models send a small PNG in the ratio asked for, speech models 24 kHz PCM (from 3.8 on in a WAV file, unless
  asked for `AUDIO_L16`), embedding models unit vectors that are near each other when the texts share words.
- A token is four bytes of text. A stream sends three words at a time.
- `MODEL+fault-NAME` fails in a way of its own: see `faults.py`.

Thought signatures are HMACs under a key that workers and restarts share; they are checked as `signatures.py` says.
"""

from adapter.emulator.http.app import create_emulator
from adapter.emulator.settings import EmulatorSettings

__all__ = ["EmulatorSettings", "create_emulator"]
