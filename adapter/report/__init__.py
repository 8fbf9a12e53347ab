"""The report on recorded OpenAI traffic, and what it would lose on Gemini: readers, analysis, comparison, pages."""
