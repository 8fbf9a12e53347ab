"""Codes of losses that break a request: it fails, or a client that relies on the missing part does."""

ROWS = {
    "content-unsupported": (
        "A content part has no place in a Gemini request.",
        "Send its content as text, image, audio, video or file.",
    ),
    "conversation-not-kept": (
        "The conversation is read but not extended: nothing is stored for this request.",
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
        "The file is not in Gemini's Files API.",
        "Send the file's content, or the name of a file in Gemini's Files API (files/...).",
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
        "A file expires earlier than requested.",
        "Ask the operator for a longer responses_max_age, or store the file again.",
    ),
    "limit-exceeded": ("A value is larger than Gemini or this server takes.", "Send less at once."),
    "logprobs-unavailable": ("The answer has no log probabilities.", "Use a model that gives them, without a stream."),
    "malformed-value": ("A value does not have the required form.", "Correct the value at this path."),
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
    "schema-unusable": ("A schema is invalid, too deep or too large.", "Correct or simplify the schema."),
    "setting-contradicted": ("Two settings of the request exclude each other.", "Send one of them."),
    "stored-prompt-unavailable": ("Prompt templates are stored at OpenAI.", "Send the prompt itself."),
    "tokens-unreadable": (
        "The input is an array of token numbers, and the server lacks the data to decode them.",
        "Send texts, or let the operator install tiktoken and set TIKTOKEN_CACHE_DIR.",
    ),
    "tool-type-unsupported": (
        "Gemini has no tool of this type: it is left out.",
        "Declare a function, and run the tool yourself.",
    ),
    "tools-contradict": ("One name is declared twice, in different ways.", "Give each tool a name of its own."),
    "tools-unsupported": ("The model takes no tools: they are left out.", "Use a model that takes tools."),
    "transcript-cut": (
        "The transcript is cut: it is longer than one answer of Gemini's may be.",
        "Send the sound in parts.",
    ),
    "truncation-unsupported": (
        "Gemini leaves nothing out: a conversation that is too long is an error.",
        "Shorten the conversation before it is too long.",
    ),
    "unknown-value": ("The field does not allow this value.", "Send one of the field's values."),
    "value-missing": ("A required value is missing.", "Send the value at this path."),
    "wrong-endpoint": (
        "Another endpoint or API serves the model.",
        "Call the endpoint that the message names, or a chat model.",
    ),
}
"""Name of a code to what the loss means and what one can do about it, in alphabetical order."""
