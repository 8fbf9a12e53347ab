"""Codes of losses that change answers: the model is asked for something else, or less of its answer arrives."""

ROWS = {
    "arguments-unreadable": (
        "A call of the history has arguments that are no JSON object.",
        "Send each call's arguments as one JSON object.",
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
    "best-of-unavailable": (
        "The first answers are given, not the most likely of more.",
        "Ask for more answers with n, and choose.",
    ),
    "blank-turn-added": (
        "A blank user's turn is added, since Gemini wants one there.",
        "Begin the conversation with a user's message that says something.",
    ),
    "cached-content-overrides": (
        "The request's fields that the cached content already has are left out.",
        "Put it into the cached content, or send none.",
    ),
    "call-id-repeated": (
        "Two calls of one turn have the same id: Gemini gets another one for the second.",
        "Give every call an id of its own.",
    ),
    "choices-dropped": ("A response has one answer: further ones are left out.", "Ask for one answer at a time."),
    "choices-missing": ("Gemini gave fewer choices than were asked for.", "Ask again for the missing ones."),
    "citation-lost": (
        "A citation of the answer could not be placed in its text.",
        "Read extra_content.google.grounding_metadata.",
    ),
    "code-run-not-replayed": (
        "Code that Gemini ran in an earlier answer is left out: the answer was edited, or only its text came back.",
        "Send answers back as they came.",
    ),
    "dimensions-added": (
        "The vectors have the length of the named model's vectors.",
        "Send dimensions to choose a length.",
    ),
    "effort-nearest": (
        "The model thinks with the level or budget that is nearest to the requested one.",
        "Ask for a level that the model has.",
    ),
    "embedding-space": (
        "The vectors are another model's: they cannot be compared with the named model's vectors.",
        "Embed everything that is compared with one model.",
    ),
    "embedding-task-added": ("A title is used for documents alone.", "Send task_type: RETRIEVAL_DOCUMENT."),
    "extra-body-ignored": ("A member of extra_body is ignored.", "Send it at the top level of the request."),
    "field-overruled": ("Another field of the request decides, and this one is ignored.", "Send one of the two."),
    "file-name-dropped": ("Gemini takes no file names.", "Say the name in a text beside the file."),
    "grammar-not-enforced": (
        "The grammar is described to the model, and not enforced.",
        "Check the tool's arguments.",
    ),
    "history-as-text": (
        "Gemini gets a history as one text that names the speakers.",
        "Send one user's message if roles do not matter.",
    ),
    "hosted-tool-as-function": (
        "A function replaces a tool that Gemini does not have.",
        "No action needed: calls come back as the tool's own.",
    ),
    "image-detail-ignored": (
        "The image's detail is ignored.",
        "Scale the image, or use a model that takes a resolution for each image.",
    ),
    "image-option-ignored": (
        "Gemini has no such setting for images: it is left out.",
        "Leave it out, or describe it in the prompt.",
    ),
    "image-size-nearest": (
        "The image has the nearest ratio and size that Gemini draws.",
        "Ask for one of Gemini's sizes (1024x1024, 1264x848, 1376x768, ...), or auto.",
    ),
    "images-left-out": (
        "Gemini drew several images in one answer: the last one is sent.",
        "Ask with n for several images.",
    ),
    "include-unavailable": ("Answers do not have the data that include asks for.", "Do without it."),
    "item-unsupported": (
        "An item of the conversation has no place in a Gemini request and is left out.",
        "Describe it in a message.",
    ),
    "json-answer-alone": (
        "Text beside the requested JSON text is left out.",
        "Ask for JSON alone, or use Gemini 3 or later.",
    ),
    "json-by-function": (
        "A function replaces JSON mode, which the model does not have beside functions.",
        "Use Gemini 3 or later for JSON beside functions.",
    ),
    "late-system-message": (
        "A system message after the first turn is sent at another place, or in another form.",
        "Send system messages first, or set ADAPTER_LATER_SYSTEM.",
    ),
    "leaked-thought-moved": (
        "A text that began as a leaked thought is returned as a thought.",
        "Switch ADAPTER_LEAKED_THOUGHTS off if the texts are answers.",
    ),
    "logit-bias-unsupported": ("Gemini has no biases for tokens.", "Ask in the prompt for words to use or avoid."),
    "long-number-rounded": (
        "Gemini reads numbers as doubles: an integer beyond 2^53 loses digits.",
        "Send long integers as texts.",
    ),
    "mask-as-image": (
        "Gemini gets a mask as another image with an instruction: protected parts may change.",
        "Describe the change in the prompt.",
    ),
    "mcp-call-as-function": (
        "A call that another vendor's MCP client made goes to Gemini as a function's.",
        "No action needed: its name, arguments and result all arrive.",
    ),
    "messages-reordered": ("A message moved behind the results of calls.", "Send the results right after their calls."),
    "model-fallback": (
        "Another model answered, since the requested one could not.",
        "Send the request again later if the model matters.",
    ),
    "model-retired": (
        "The model has ended: its successor answers.",
        "Ask for the successor by its own name.",
    ),
    "model-substituted": (
        "Another model made the answer than the one that was called.",
        "Ask for a model that the upstream serves itself.",
    ),
    "moderation-absent": (
        "The answer has no moderation results.",
        "Set safety_settings, or ask a moderation endpoint.",
    ),
    "moderation-block": (
        "Gemini blocked an input without naming a category: it is flagged under one of OpenAI's.",
        "Read flagged, and not which category it is.",
    ),
    "moderation-by-ratings": (
        "Safety ratings judge: four categories in four grades, and no other category.",
        "Use an upstream with the Decisions API (Google AI Studio).",
    ),
    "output-limit-added": (
        "The answer is limited to OpenAI's default for this endpoint.",
        "Send max_tokens.",
    ),
    "output-limit-lowered": (
        "The model's own limit of output is lower than the one asked for.",
        "Ask for no more than the model gives.",
    ),
    "participants-merged": (
        "Gemini knows no names: it cannot distinguish several participants of one role.",
        "Say in each text who speaks.",
    ),
    "penalty-unsupported": ("The model takes no penalties for repetition.", "Ask in words for varied language."),
    "probability-clipped": (
        "Gemini is never surer than 0.99, nor less sure than 0.01.",
        "Set thresholds between these two.",
    ),
    "reasoning-option-ignored": ("Gemini has no such setting for reasoning.", "Leave it out."),
    "result-media-beside": (
        "Media of a tool's result are sent in a user turn after it.",
        "Use Gemini 3 or later for media inside results.",
    ),
    "sampling-ignored": ("The model ignores sampling parameters.", "Leave them out, or use a model that takes them."),
    "schema-constraint-described": (
        "A constraint is in the schema's description, and not enforced.",
        "Check the values that come back.",
    ),
    "schema-description-dropped": (
        "The description of a response format is left out.",
        "Write it into the schema's own description.",
    ),
    "schema-keyword-dropped": (
        "A keyword of a schema is left out: Gemini's schemas do not have it.",
        "Write the constraint in a description.",
    ),
    "schema-keyword-invalid": (
        "A keyword of a schema has a value that it cannot have, and is left out.",
        "Correct the schema.",
    ),
    "schema-loosened": (
        "The schema that goes to Gemini allows more than the one that was sent.",
        "Simplify the schema, or check the answer.",
    ),
    "sealed-content-foreign": (
        "Encrypted content of another issuer is left out: only its issuer can read it.",
        "Continue that conversation where it began, or send it as messages.",
    ),
    "signature-edited": (
        "The stored thought signature belongs to another call or answer: the history was edited.",
        "No action needed: Gemini refuses a signature that is not the call's own.",
    ),
    "signature-foreign": (
        "A thought signature that another upstream issued is left out.",
        "Stay with one upstream inside one turn.",
    ),
    "signature-stand-in": (
        "No thought signature is known for a call: the documented stand-in is sent while its turn goes on. It vanishes "
        "with the next user's message, so Gemini's implicit cache ends before it then.",
        "Send extra_content back, or keep the call ids and share the store.",
    ),
    "signature-store-unreadable": (
        "The store could not be read, so thought signatures that it holds may be missing.",
        "Look at the store: the log says what failed. The next request asks it again.",
    ),
    "signature-unproven": (
        "Version 0.1 stored a thought signature for this call; it is unknown whether the call was edited since.",
        "No action needed: it passes with the conversations of version 0.1.",
    ),
    "sound-in-pieces": (
        "A sound that is too long for times is transcribed in pieces, cut where it is quietest.",
        "Send shorter sounds, or ask for json or text.",
    ),
    "speech-in-parts": (
        "A long text is spoken by several calls, cut at sentences: the voice may change a little between them.",
        "Send shorter texts.",
    ),
    "speech-speed-ignored": ("Gemini has no setting for the speed of speech.", "Ask for it in the instructions."),
    "speech-style-in-text": (
        "The model takes no style: the instructions are before the text, and may be spoken.",
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
        "Gemini cannot be forced to use this tool: it chooses itself.",
        "Declare only the tool that must be used.",
    ),
    "tool-choice-moot": (
        "The tool choice has no effect: there are no functions to choose from.",
        "Leave tool_choice out, or declare tools.",
    ),
    "tool-conflict": (
        "The model takes no built-in tools in this request: they are left out.",
        "Use Gemini 3 or later, or send the built-in tools alone.",
    ),
    "tool-name-taken": ("A tool is left out: its name is declared before.", "Give each tool a name of its own."),
    "tool-option-ignored": ("Gemini's tool has no such setting.", "Leave it out, or describe it in the prompt."),
    "tool-result-missing": (
        "An error is sent as the result of a call that has none.",
        "Send a tool message for each call.",
    ),
    "tool-result-orphan": (
        "A result that belongs to no call is sent as a user's text.",
        "Send results only beside their calls.",
    ),
    "tool-result-unnamed": (
        "A result that names no call goes to the first call without a result.",
        "Send tool_call_id with each result.",
    ),
    "trailing-assistant": (
        "The model wants a user's turn last: one that asks it to continue is added.",
        "End with a user's message.",
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
    "unknown-field": (
        "A field that this adapter does not know is left out.",
        "Check its spelling, or send it inside google if it is Gemini's.",
    ),
    "upstream-fallback": (
        "Another upstream answered, since the first could not: it may serve the model differently.",
        "Send the request again later if the upstream matters.",
    ),
    "upstream-field-unsupported": (
        "The upstream does not take a field of Gemini's request: it is left out.",
        "Ask the operator about ADAPTER_UPSTREAM_FIELDS.",
    ),
    "verbosity-ignored": ("Gemini has no setting for how much to say.", "Ask for it in words."),
    "voice-replaced": ("One of Gemini's voices replaces the requested one.", "Name one of Gemini's voices."),
}
"""Name of a code to what the loss means and what one can do about it, in alphabetical order."""
