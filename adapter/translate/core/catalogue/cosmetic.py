"""Codes of cosmetic losses, which cannot change an answer."""

ROWS = {
    "account-option-ignored": ("A setting of OpenAI's accounts means nothing to Gemini.", "Leave it out."),
    "answer-detail-dropped": (
        "Gemini said more than an answer about images or sounds has a place for.",
        "Ask by /v1/chat/completions or /v1/responses, whose answers hold it.",
    ),
    "answer-detail-moved": (
        "A detail of the answer that OpenAI has no place for is in extra_content.",
        "Read extra_content.google.",
    ),
    "answer-echo-dropped": (
        "Details that an earlier answer had beside its text are not sent back.",
        "No action needed: the text arrives.",
    ),
    "arguments-normalised": (
        "A call's arguments were written in an unusual way that means the same.",
        "No action needed: the object that was meant arrives.",
    ),
    "audio-repackaged": (
        "The answer's audio has another container, and the same samples.",
        "No action needed: the samples are Gemini's.",
    ),
    "block-as-refusal": ("A blocked prompt is returned as a refusal.", "Set ADAPTER_BLOCKED_PROMPT for an error."),
    "character-replaced": (
        "Half of a character (a lone UTF-16 surrogate) became U+FFFD.",
        "Cut texts between characters.",
    ),
    "choice-renamed": (
        "Gemini has another name for this value.",
        "No action needed: the answer has the value as it was sent.",
    ),
    "client-metadata-not-sent": (
        "The client's data about itself are not sent.",
        "No action needed: it is about the client alone.",
    ),
    "completion-not-stored": (
        "Completions are not kept for OpenAI's dashboard.",
        "Use the Responses API for answers that are kept.",
    ),
    "continuation-token-dropped": (
        "A continuation token is left out of an answer that is complete.",
        "No action needed: there is nothing to continue.",
    ),
    "custom-tool-as-function": (
        "A custom tool goes to Gemini as a function with one text.",
        "No action needed: calls come back as the tool's own.",
    ),
    "empty-content-dropped": ("Gemini takes no empty text or turn: it is left out.", "Leave empty messages out."),
    "empty-stop-dropped": ("An empty stop sequence has no effect, and is left out.", "Leave it out."),
    "file-uploaded-again": (
        "Gemini had lost its copy of a stored file before its time: it was uploaded again.",
        "No action needed: the answer is to the file itself.",
    ),
    "finish-reason-nearest": (
        "OpenAI's nearest finish reason replaces Gemini's.",
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
        "A log probability that is NaN or infinite is returned as OpenAI's lowest.",
        "No action needed: the token is as unlikely as can be.",
    ),
    "media-by-reference": ("Gemini fetches the URL itself.", "Send a data URL if Gemini cannot reach it."),
    "media-type-corrected": (
        "A file's media type was replaced by its registered name, or by the type that its name or content shows.",
        "Send the registered media type.",
    ),
    "model-alias": (
        "A Gemini model answers for the requested name, by the default or the operator's aliases.",
        "Ask for the model by its own name.",
    ),
    "no-output-limit": ("A limit of -1 asks for none.", "Leave the limit out."),
    "number-spelling": ("A whole number was written with a point.", "No action needed: the number arrives."),
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
        "No action needed, unless the name itself matters: then say it in the text.",
    ),
    "phase-dropped": ("Gemini knows no phases of an answer.", "Leave it out."),
    "prediction-unused": (
        "Gemini does not speculate on a predicted output.",
        "Leave it out: it only made answers faster.",
    ),
    "purpose-not-served": (
        "A file is stored for an endpoint that is not served here.",
        "No action needed: the file can be downloaded.",
    ),
    "refusal-as-text": ("A refusal in the history is sent as the model's text.", "No action needed: the words arrive."),
    "result-as-text": (
        "A tool's result travels as text inside an object, so that Gemini reads it unchanged.",
        "No action needed: the whole result arrives.",
    ),
    "safety-setting-added": (
        "The operator's safety setting holds, since the request has none.",
        "Send safety_settings for other ones.",
    ),
    "schema-annotation-described": (
        "An annotation of a schema is in its description.",
        "No action needed: the model reads it there.",
    ),
    "schema-annotation-dropped": ("An annotation of a schema that constrains nothing is left out.", "Leave it out."),
    "schema-enum-as-text": (
        "Numbers of an enum travel as texts, and come back as numbers.",
        "No action needed: arguments are restored.",
    ),
    "schema-name-dropped": ("Gemini's schemas have no name.", "No action needed: the name is a label."),
    "schema-title-dropped": ("Gemini takes no title beside a $ref.", "No action needed: the definition has its own."),
    "seed-folded": (
        "A longer seed is folded into 32 bits: the same seed always gives the same one.",
        "Send a seed of 32 bits.",
    ),
    "stream-value-replaced": (
        "A value came several times in a stream: the last one counts.",
        "No action needed: Gemini corrected itself.",
    ),
    "tags-not-stored": (
        "Tags for stored completions are not kept.",
        "Use the Responses API for answers that are kept.",
    ),
    "thoughts-not-replayed": (
        "Thoughts of earlier answers are not sent back: their signatures are.",
        "No action needed: Gemini wants signatures alone.",
    ),
    "token-id-dropped": ("OpenAI names tokens by their text.", "No action needed: the texts arrive."),
    "tool-choice-spelling": (
        "The tool choice was spelled as another vendor's API spells it.",
        "No action needed: the meaning arrives.",
    ),
    "tool-declared-twice": ("A tool is declared twice alike: it is sent once.", "Declare it once."),
    "tool-group-flattened": (
        "Gemini knows no groups of functions: their names begin with the group's.",
        "No action needed: calls come back with group and name.",
    ),
    "tool-record-dropped": (
        "The record of a finished tool use is left out: its results are in the answers.",
        "No action needed: the answers arrive.",
    ),
    "top-logprobs-alone": (
        "Alternatives come only with log probabilities, which were not asked for.",
        "Send logprobs: true.",
    ),
    "transcript-at-once": (
        "A chat model's segments come together at the end, since they are one JSON text.",
        "Use a transcription model: its segments come while it listens.",
    ),
    "transcript-details-unknown": (
        "Segments have neither tokens nor probabilities: these are empty or zero.",
        "Do not filter segments by them.",
    ),
    "user-not-sent": (
        "The end user's id is not sent to Gemini.",
        "No action needed: it identifies users to OpenAI alone.",
    ),
    "variation-prompt-added": (
        "A prompt asks for a variation: Gemini has no call for it.",
        "Use /v1/images/edits with a prompt of your own.",
    ),
}
"""Name of a code to what the loss means and what one can do about it, in alphabetical order."""
