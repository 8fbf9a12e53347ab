"""Codes of losses that cost tokens, calls or money, and change no answer."""

ROWS = {
    "allowed-tools-declared": (
        "Only the allowed tools are declared, which makes another prompt prefix.",
        "Declare the same tools in each request where caching matters.",
    ),
    "answer-continued": (
        "Further calls continued a long answer, each with the whole prompt.",
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
    "context-management-ignored": (
        "Conversations are not compacted automatically.",
        "Call POST /v1/responses/compact.",
    ),
    "image-compression-ignored": ("Gemini does not compress images of long conversations.", "Leave old images out."),
    "output-limit-raised": (
        "More tokens than asked for are allowed, since thoughts count against the limit.",
        "Ask the operator about ADAPTER_THOUGHTS_HEADROOM; for text completions, use a model that need not think.",
    ),
    "service-tier-unknown": (
        "Gemini has no such service tier: the standard one serves.",
        "Ask for default, flex or priority.",
    ),
    "tools-declared-at-once": (
        "All tools are declared at once: the model does not have to search for them.",
        "Declare fewer tools.",
    ),
    "usage-estimated": (
        "The model counts no tokens for this: the usage is an estimate.",
        "Use a model that counts them where bills are made from it.",
    ),
    "usage-unknown": (
        "The answer has no token counts: they are returned as zero.",
        "Count tokens where bills are made from them.",
    ),
}
"""Name of a code to what the loss means and what one can do about it, in alphabetical order."""
