"""What recorded OpenAI traffic would lose on Gemini: readers, analysis, comparison and pages."""
