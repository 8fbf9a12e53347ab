"""The catalogue of losses: every code that a note may carry, by how much the loss matters.

A code names a loss, not a path: chat, Responses and every other endpoint share it. Codes are a public contract (clients
and operators allow or refuse them by name): a code is never renamed, and one that moves to another severity moves in a
commit that argues for it.
"""

from adapter.translate.core.codes import Code, Severity

_BREAKS = {
    "content-unsupported": (
        "A content part has no place in a Gemini request.",
        "Send its content as text, image, audio, video or file.",
    ),
    "conversation-not-kept": (
        "The conversation is read and does not grow: nothing is stored for it.",
        "Send store: true, or carry the items yourself.",
    ),
    "encoder-missing": (
        "The server has no encoder for this format of sound.",
        "Ask for mp3, wav or pcm, or let the operator install the extra.",
    ),
    "fields-contradict": ("Two fields ask for different values of one Gemini setting.", "Send one of them."),
    "file-store-unknown": (
        "The store to search is not one of Gemini's.",
        "Name a file search store of Gemini's (fileSearchStores/...).",
    ),
    "file-unknown": (
        "The file is not one of Gemini's Files API.",
        "Send the file's content, or files/... of Gemini's Files API.",
    ),
    "image-format-unavailable": (
        "Gemini draws no images of this format: a PNG file is sent.",
        "Ask for png, jpeg or webp.",
    ),
    "images-missing": (
        "There are fewer images than were asked for: Gemini drew none for some of the calls.",
        "Ask again for those that are missing.",
    ),
    "legacy-call-dropped": (
        "The deprecated function_call holds one call: further calls of the answer are left out.",
        "Use tools and tool_calls.",
    ),
    "life-shortened": (
        "A file expires earlier than it was to.",
        "Ask the operator for a longer responses_max_age, or store the file again.",
    ),
    "limit-exceeded": ("A value is larger than Gemini or this server takes.", "Send less at once."),
    "logprobs-unavailable": ("The answer has no log probabilities.", "Use a model that gives them, without a stream."),
    "malformed-value": ("A value has not the form that it must have.", "Correct the value at this path."),
    "media-unreachable": (
        "Gemini cannot fetch this URL.",
        "Send a data URL, or let the operator set ADAPTER_FETCH_MEDIA.",
    ),
    "modality-unavailable": (
        "The model cannot answer in the form that was asked for.",
        "Use a model with this kind of output.",
    ),
    "out-of-range": ("A number is outside the range that the field has.", "Send a number inside the range."),
    "parallel-calls-unlimited": (
        "The model may call several functions at once.",
        "Be ready for several calls, also of one function.",
    ),
    "response-not-stored": (
        "The response was not stored: it cannot be read or continued later.",
        "Carry the items yourself, or have the store repaired.",
    ),
    "schema-unusable": ("A schema is none, or too deep or too large.", "Correct or simplify the schema."),
    "setting-contradicted": ("Two settings of the request exclude each other.", "Send one of them."),
    "stored-prompt-unavailable": ("Prompt templates are stored at OpenAI.", "Send the prompt itself."),
    "tokens-unreadable": (
        "The input is an array of token numbers, and their data are not here.",
        "Send texts, or let the operator install tiktoken and set TIKTOKEN_CACHE_DIR.",
    ),
    "tool-type-unsupported": (
        "Gemini has no tool of this type: it is left out.",
        "Declare a function, and run the tool yourself.",
    ),
    "tools-contradict": ("One name is declared twice, in different ways.", "Give each tool a name of its own."),
    "tools-unsupported": ("The model takes no tools: they are left out.", "Use a model that takes tools."),
    "truncation-unsupported": (
        "Gemini leaves nothing out: a conversation that is too long is an error.",
        "Shorten the conversation before it is too long.",
    ),
    "transcript-cut": (
        "The transcript is cut: it is longer than one answer of Gemini's may be.",
        "Send the sound in parts.",
    ),
    "unknown-value": ("A value is none of those that the field has.", "Send one of the field's values."),
    "value-missing": ("Something that must be there is missing.", "Send the value at this path."),
    "wrong-endpoint": ("Another endpoint or API serves the model.", "Call what the message names, or a chat model."),
}
"""The request fails, or a client that relies on what is missing."""

_CHANGES_ANSWERS = {
    "arguments-unreadable": (
        "A call of the history has arguments that are no JSON object.",
        "Send each call's arguments as one JSON object.",
    ),
    "long-number-rounded": (
        "Gemini reads numbers as doubles: an integer beyond 2^53 loses digits.",
        "Send long integers as texts.",
    ),
    "audio-as-transcript": (
        "Audio of an earlier answer goes to Gemini as its transcript.",
        "Send the audio as input_audio if its sound matters.",
    ),
    "audio-format-changed": (
        "The answer's audio comes in another format.",
        "Ask for wav or pcm16, or convert the audio.",
    ),
    "audio-not-replayed": (
        "Audio of an earlier answer is left out: Gemini keeps none under an id.",
        "Send the audio's transcript.",
    ),
    "blank-turn-added": (
        "A blank user's turn is added, since Gemini wants one there.",
        "Begin the conversation with a user's message that says something.",
    ),
    "best-of-unavailable": (
        "The first answers are given, not the most likely of more.",
        "Ask for more answers with n, and choose.",
    ),
    "cached-content-overrides": (
        "What the cached content brings itself is left out of the request.",
        "Put it into the cached content, or send none.",
    ),
    "choices-dropped": ("A response has one answer: further ones are left out.", "Ask for one answer at a time."),
    "choices-missing": ("Gemini gave fewer choices than were asked for.", "Ask again for the missing ones."),
    "citation-lost": (
        "A citation of the answer could not be placed in its text.",
        "Read extra_content.google.grounding_metadata.",
    ),
    "code-run-not-replayed": (
        "What Gemini itself ran in an earlier answer is left out: the answer was edited, or only its words came back.",
        "Send answers back as they came.",
    ),
    "dimensions-added": (
        "Vectors are as long as those of the model that was named.",
        "Send dimensions to choose a length.",
    ),
    "effort-nearest": (
        "The model thinks with the level or budget that is nearest to what was asked for.",
        "Ask for a level that the model has.",
    ),
    "embedding-space": (
        "The vectors are another model's: they cannot be compared with those of the model that was named.",
        "Embed everything that is compared with one model.",
    ),
    "embedding-task-added": ("A title is used for documents alone.", "Send task_type: RETRIEVAL_DOCUMENT."),
    "extra-body-ignored": ("A member of extra_body is ignored.", "Send it at the top level of the request."),
    "field-overruled": ("Another field of the request decides, and this one is ignored.", "Send one of the two."),
    "file-name-dropped": ("Gemini takes no file names.", "Say the name in a text beside the file."),
    "grammar-not-enforced": (
        "The grammar is described to the model, and not enforced.",
        "Check what the tool is called with.",
    ),
    "history-as-text": (
        "A history goes to Gemini as one text that says who said what.",
        "Send one user's message if roles do not matter.",
    ),
    "hosted-tool-as-function": (
        "A function stands for a tool that Gemini does not have.",
        "Nothing: calls come back as the tool's own.",
    ),
    "image-detail-ignored": (
        "The image's detail is ignored.",
        "Scale the image, or use a model that takes a resolution for each image.",
    ),
    "image-option-ignored": (
        "Gemini has no such setting for images: it is left out.",
        "Leave it out, or say in the prompt what matters.",
    ),
    "image-size-nearest": (
        "The image has the nearest ratio and size that Gemini draws.",
        "Ask for one of Gemini's sizes (1024x1024, 1264x848, 1376x768, ...), or auto.",
    ),
    "images-left-out": (
        "Gemini drew several images in one answer: the last one is sent.",
        "Ask with n for several images.",
    ),
    "include-unavailable": ("Answers do not have what include asks for.", "Do without it."),
    "item-unsupported": (
        "An item of the conversation has no place in a Gemini request and is left out.",
        "Say what matters of it in a message.",
    ),
    "json-answer-alone": (
        "What the model said beside the JSON text that it was asked for is left out.",
        "Ask for JSON alone, or use Gemini 3 or later.",
    ),
    "json-by-function": (
        "A function stands for JSON mode, which the model does not have beside functions.",
        "Use Gemini 3 or later for JSON beside functions.",
    ),
    "late-system-message": (
        "A system message after the first turn does not have the place that it had.",
        "Send system messages first, or set ADAPTER_LATER_SYSTEM.",
    ),
    "leaked-thought-moved": (
        "A text that began as a leaked thought is told as a thought.",
        "Switch ADAPTER_LEAKED_THOUGHTS off if the texts are answers.",
    ),
    "logit-bias-unsupported": ("Gemini has no biases for tokens.", "Ask in words for what to say or avoid."),
    "mask-as-image": (
        "A mask goes to Gemini as another image with an instruction: what it protects may change.",
        "Say in the prompt what is to change.",
    ),
    "mcp-call-as-function": (
        "A call that another vendor's MCP client made goes to Gemini as a function's.",
        "Nothing: its name, arguments and result all arrive.",
    ),
    "messages-reordered": ("A message moved behind the results of calls.", "Send the results right after their calls."),
    "model-fallback": (
        "Another model answered, since the one asked for could not.",
        "Send the request again later if the model matters.",
    ),
    "model-retired": (
        "A model that has ended has a successor, which answers.",
        "Ask for the successor by its own name.",
    ),
    "model-substituted": (
        "Another model made the answer than the one that was called.",
        "Ask for a model that the upstream serves itself.",
    ),
    "moderation-block": (
        "An input that Gemini blocked without telling a category is flagged under one.",
        "Read flagged, and not which category it is.",
    ),
    "moderation-by-ratings": (
        "Safety ratings judge: four categories in four grades, and no other category.",
        "Use an upstream with the Decisions API (Google AI Studio).",
    ),
    "moderation-absent": (
        "The answer has no moderation results.",
        "Set safety_settings, or ask a moderation endpoint.",
    ),
    "output-limit-added": (
        "The answer is as short as OpenAI's default for this endpoint.",
        "Send max_tokens.",
    ),
    "output-limit-lowered": (
        "The model's own limit of output is lower than the one asked for.",
        "Ask for no more than the model gives.",
    ),
    "participants-merged": (
        "Gemini knows no names: several participants of one role are not told apart.",
        "Say in each text who speaks.",
    ),
    "penalty-unsupported": ("The model takes no penalties for repetition.", "Ask in words for varied language."),
    "probability-clipped": (
        "Gemini is never surer than 0.99, nor less sure than 0.01.",
        "Set thresholds between these two.",
    ),
    "reasoning-option-ignored": ("Gemini has no such setting for reasoning.", "Leave it out."),
    "result-media-beside": (
        "Media of a tool's result stand in a user's turn beside it.",
        "Use Gemini 3 or later for media inside results.",
    ),
    "sampling-ignored": ("The model ignores sampling parameters.", "Leave them out, or use a model that takes them."),
    "schema-constraint-described": (
        "A constraint is told in the schema's description, and not enforced.",
        "Check the values that come back.",
    ),
    "schema-description-dropped": (
        "The description of a response format is left out.",
        "Write it into the schema's own description.",
    ),
    "schema-keyword-dropped": (
        "A keyword of a schema is left out: Gemini's schemas do not have it.",
        "Say in a description what it demands.",
    ),
    "schema-keyword-invalid": (
        "A keyword of a schema has a value that it cannot have, and is left out.",
        "Correct the schema.",
    ),
    "schema-loosened": (
        "The schema that goes to Gemini allows more than the one that was sent.",
        "Simplify the schema, or check what comes back.",
    ),
    "sealed-content-foreign": (
        "Encrypted content of another issuer is left out: only its issuer can read it.",
        "Continue that conversation where it began, or send it as messages.",
    ),
    "call-id-repeated": (
        "Two calls of one turn have the same id: Gemini gets another one for the second.",
        "Give every call an id of its own.",
    ),
    "signature-edited": (
        "The thought signature that is known belongs to another call or answer: the history was edited.",
        "Nothing: Gemini refuses a signature that is not the call's own.",
    ),
    "signature-foreign": (
        "A thought signature that another upstream issued is left out.",
        "Stay with one upstream inside one turn.",
    ),
    "signature-unproven": (
        "Version 0.1 stored a thought signature for this call, and nothing tells whether the call was edited since.",
        "Nothing: it passes with the conversations of version 0.1.",
    ),
    "signature-store-unreadable": (
        "The store could not be read, so thought signatures that it holds may be missing.",
        "Look at the store: the log says what failed. The next request asks it again.",
    ),
    "signature-stand-in": (
        "No thought signature is known for a call: the documented stand-in is sent.",
        "Send extra_content back, or keep the call ids and share the store.",
    ),
    "speech-in-parts": (
        "A long text is spoken by several calls, cut at sentences: the voice may change a little between them.",
        "Send shorter texts.",
    ),
    "speech-speed-ignored": ("Gemini has no setting for the speed of speech.", "Ask for it in the instructions."),
    "speech-style-in-text": (
        "The model takes no style: the instructions stand before the text, and may be spoken.",
        "Use a model from gemini-3.8-flash-tts on.",
    ),
    "stop-sequences-cut": ("Gemini takes five stop sequences: the others are left out.", "Send at most five."),
    "suffix-as-instruction": (
        "An instruction asks for the text before the suffix: Gemini fills no gaps.",
        "Ask in a chat, with both parts of the text.",
    ),
    "system-as-user": (
        "A system message goes to Gemini as a user's turn.",
        "Send a user's message beside it, to a model with system instructions.",
    ),
    "thinking-unsupported": ("The model does not think.", "Use a model that thinks, or leave it out."),
    "tool-choice-inexact": (
        "Gemini cannot be told to use just this tool: it chooses itself.",
        "Declare only the tool that must be used.",
    ),
    "tool-choice-moot": (
        "There are no functions that the tool choice could mean.",
        "Leave tool_choice out, or declare tools.",
    ),
    "tool-conflict": (
        "The model takes no built-in tools in this request: they are left out.",
        "Use Gemini 3 or later, or send the built-in tools alone.",
    ),
    "tool-name-taken": ("A tool is left out: its name is declared before.", "Give each tool a name of its own."),
    "tool-option-ignored": ("Gemini's tool has no such setting.", "Leave it out, or say in words what matters."),
    "tool-result-missing": (
        "An error is sent as the result of a call that has none.",
        "Send a tool message for each call.",
    ),
    "tool-result-orphan": (
        "A result that belongs to no call is sent as a user's text.",
        "Send results only beside their calls.",
    ),
    "tool-result-unnamed": (
        "A result that names no call is taken for the first call that waits.",
        "Send tool_call_id with each result.",
    ),
    "transcript-times-estimated": (
        "The times of a transcript are estimates, and asking for them makes its text a little worse.",
        "Ask for json or text where times do not matter.",
    ),
    "transcription-option-ignored": (
        "Gemini has no such setting for transcriptions: it is left out.",
        "Leave it out.",
    ),
    "transcription-prompt-ignored": (
        "The model for transcriptions takes no prompt.",
        "Send keywords, or name a chat model such as gemini-3.8-flash, which takes one.",
    ),
    "trailing-assistant": (
        "The model wants a user's turn last: one that asks to go on follows.",
        "End with a user's message.",
    ),
    "unknown-field": (
        "A field that this adapter does not know is left out.",
        "Check its spelling, or send it inside google if it is Gemini's.",
    ),
    "upstream-field-unsupported": (
        "The upstream does not take a field of Gemini's request: it is left out.",
        "Ask the operator about ADAPTER_UPSTREAM_FIELDS.",
    ),
    "upstream-fallback": (
        "Another upstream answered, since the first could not: it may serve the model otherwise.",
        "Send the request again later if the upstream matters.",
    ),
    "verbosity-ignored": ("Gemini has no setting for how much to say.", "Ask for it in words."),
    "voice-replaced": ("One of Gemini's voices stands for the one asked for.", "Name one of Gemini's voices."),
}
"""The answer may be another one."""

_COSTS = {
    "allowed-tools-declared": (
        "Only the allowed tools are declared, which makes another prompt prefix.",
        "Declare the same tools in each request where caching matters.",
    ),
    "answer-continued": (
        "Further calls went on with a long answer, each with the whole prompt.",
        "Ask for shorter answers, or set ADAPTER_CONTINUATIONS to 0.",
    ),
    "cache-hint-ignored": (
        "Gemini finds reusable prefixes itself: hints for a cache are ignored.",
        "Keep what stays the same at the start of the prompt.",
    ),
    "call-limit-ignored": ("Gemini takes no limit on the calls of its own tools.", "Ask in words for few searches."),
    "choices-by-calls": (
        "The choices come by parallel calls, each with the whole prompt.",
        "Ask for one choice, or use a model that gives several.",
    ),
    "context-management-ignored": ("Nothing is compacted unasked.", "Call POST /v1/responses/compact."),
    "image-compression-ignored": ("Gemini does not compress images of long conversations.", "Leave old images out."),
    "output-limit-raised": (
        "More tokens than asked for are allowed, since thoughts count against the limit.",
        "Ask the operator about ADAPTER_THOUGHTS_HEADROOM; for text completions, use a model that need not think.",
    ),
    "service-tier-unknown": (
        "Gemini has no such service tier: the standard one serves.",
        "Ask for default, flex or priority.",
    ),
    "usage-unknown": (
        "The answer does not tell how many tokens it took: they are told as zero.",
        "Count tokens where bills are made from them.",
    ),
    "usage-estimated": (
        "The model counts no tokens for this: the usage is an estimate.",
        "Use a model that counts them where bills are made from it.",
    ),
    "tools-declared-at-once": ("All tools are declared at once: none need to be searched for.", "Declare fewer tools."),
}
"""Tokens, calls or money."""

_COSMETIC = {
    "account-option-ignored": ("A setting of OpenAI's accounts means nothing to Gemini.", "Leave it out."),
    "answer-detail-moved": (
        "A detail of the answer that OpenAI has no place for is in extra_content.",
        "Read extra_content.google.",
    ),
    "answer-echo-dropped": (
        "Details that an earlier answer had beside its text are not sent back.",
        "Nothing: the text arrives.",
    ),
    "arguments-normalised": (
        "A call's arguments were written in an unusual way that means the same.",
        "Nothing: the object that was meant arrives.",
    ),
    "audio-repackaged": (
        "The answer's audio has another container, and the same samples.",
        "Nothing: the samples are Gemini's.",
    ),
    "block-as-refusal": ("A blocked prompt is told as a refusal.", "Set ADAPTER_BLOCKED_PROMPT for an error."),
    "character-replaced": (
        "Half of a character (a lone UTF-16 surrogate) became U+FFFD.",
        "Cut texts between characters.",
    ),
    "choice-renamed": (
        "A value to choose is called something else at Gemini.",
        "Nothing: the answer has the value as it was sent.",
    ),
    "client-metadata-not-sent": (
        "What the client tells about itself is not sent.",
        "Nothing: it is about the client alone.",
    ),
    "completion-not-stored": (
        "Completions are not kept for OpenAI's dashboard.",
        "Use the Responses API for answers that are kept.",
    ),
    "continuation-token-dropped": (
        "A token for going on is left out of an answer that is complete.",
        "Nothing: there is nothing to go on with.",
    ),
    "custom-tool-as-function": (
        "A custom tool goes to Gemini as a function with one text.",
        "Nothing: calls come back as the tool's own.",
    ),
    "empty-content-dropped": ("Gemini takes no empty text or turn: it is left out.", "Leave empty messages out."),
    "empty-stop-dropped": ("An empty stop sequence never stops, and is left out.", "Leave it out."),
    "finish-reason-nearest": (
        "OpenAI's nearest finish reason stands for Gemini's.",
        "Read extra_content.google.finish_reason.",
    ),
    "image-url-inline": (
        "The URL of an image is a data URL, which holds the image: there is no link to fetch.",
        "Ask for b64_json, or let the operator set ADAPTER_PUBLIC_URL.",
    ),
    "item-id-taken": (
        "Another item of the conversation has this id: the new item is stored under an id of its own.",
        "Leave ids out, or give each item another one.",
    ),
    "item-repeated": (
        "The history that a response follows has this item already: it is left out.",
        "Send what is new.",
    ),
    "logprob-not-finite": (
        "A log probability that is no number (NaN or infinite) is told as OpenAI's lowest.",
        "Nothing: the token is as unlikely as can be.",
    ),
    "media-by-reference": ("Gemini fetches the URL itself.", "Send a data URL if Gemini cannot reach it."),
    "media-type-corrected": (
        "The type of a file was sent under its registered name, or told by its name or content.",
        "Send the registered media type.",
    ),
    "model-alias": (
        "A model stands for the name that was asked for, by the default or the operator's aliases.",
        "Ask for the model by its own name.",
    ),
    "number-spelling": ("A whole number was written with a point.", "Nothing: the number arrives."),
    "no-output-limit": ("A limit of -1 asks for none.", "Leave the limit out."),
    "obfuscation-absent": (
        "Chunks are not padded against observers of their length.",
        "Leave include_obfuscation out.",
    ),
    "partial-images-absent": (
        "Gemini draws images whole: a stream has no partial ones.",
        "Leave partial_images out.",
    ),
    "participant-name-dropped": (
        "Gemini knows no participants' names; the role or the call says who speaks.",
        "Nothing, unless the name itself matters: say it in the text.",
    ),
    "phase-dropped": ("Gemini knows no phases of an answer.", "Leave it out."),
    "prediction-unused": (
        "Gemini does not speculate on a predicted output.",
        "Leave it out: it only made answers faster.",
    ),
    "purpose-not-served": (
        "A file is stored for an endpoint that is not served here.",
        "Nothing is needed: the file can be downloaded.",
    ),
    "refusal-as-text": ("A refusal in the history is sent as the model's text.", "Nothing: the words arrive."),
    "result-as-text": (
        "A tool's result travels as text inside an object, so that Gemini reads it unchanged.",
        "Nothing: the whole result arrives.",
    ),
    "safety-setting-added": (
        "The operator's safety setting holds, since the request has none.",
        "Send safety_settings for other ones.",
    ),
    "schema-annotation-described": (
        "An annotation of a schema is told in its description.",
        "Nothing: the model reads it there.",
    ),
    "schema-annotation-dropped": ("An annotation of a schema that constrains nothing is left out.", "Leave it out."),
    "schema-enum-as-text": (
        "Numbers of an enum travel as texts, and come back as numbers.",
        "Nothing: arguments are restored.",
    ),
    "schema-name-dropped": ("Gemini's schemas have no name.", "Nothing: the name is a label."),
    "schema-title-dropped": ("Gemini takes no title beside a $ref.", "Nothing: the definition has its own."),
    "seed-folded": (
        "A seed of 32 bits stands for a longer one, always the same for the same.",
        "Send a seed of 32 bits.",
    ),
    "stream-value-replaced": (
        "A value came several times in a stream: the last one counts.",
        "Nothing: Gemini corrected itself.",
    ),
    "tags-not-stored": (
        "Tags for stored completions are not kept.",
        "Use the Responses API for answers that are kept.",
    ),
    "thoughts-not-replayed": (
        "Thoughts of earlier answers are not sent back: their signatures stand for them.",
        "Nothing: Gemini wants signatures alone.",
    ),
    "token-id-dropped": ("OpenAI names tokens by their text.", "Nothing: the texts arrive."),
    "tool-choice-spelling": (
        "The tool choice was spelled as another vendor's API spells it.",
        "Nothing: what was meant arrives.",
    ),
    "tool-declared-twice": ("A tool is declared twice alike: it is sent once.", "Declare it once."),
    "tool-group-flattened": (
        "Gemini knows no groups of functions: their names begin with the group's.",
        "Nothing: calls come back with group and name.",
    ),
    "tool-record-dropped": (
        "The record of a finished tool use is left out: its results are in the answers.",
        "Nothing: the answers arrive.",
    ),
    "top-logprobs-alone": (
        "Alternatives come only with log probabilities, which were not asked for.",
        "Send logprobs: true.",
    ),
    "transcript-at-once": (
        "The events of a transcript come together, when all of it was heard.",
        "Nothing: the text is the same.",
    ),
    "transcript-details-unknown": (
        "Segments have neither tokens nor probabilities: they are told as none and zero.",
        "Do not filter segments by them.",
    ),
    "user-not-sent": ("Gemini is not told who the end user is.", "Nothing: it identifies users to OpenAI alone."),
    "variation-prompt-added": (
        "A prompt asks for a variation: Gemini has no call for it.",
        "Use /v1/images/edits with a prompt of your own.",
    ),
}
"""Cannot change an answer."""

_BY_SEVERITY = {
    Severity.BREAKS: _BREAKS,
    Severity.CHANGES_ANSWERS: _CHANGES_ANSWERS,
    Severity.COSTS: _COSTS,
    Severity.COSMETIC: _COSMETIC,
}

CODES = {
    name: Code(name, severity, sentence, advice)
    for severity, rows in _BY_SEVERITY.items()
    for name, (sentence, advice) in rows.items()
}
"""Every code, most severe first."""
