"""Images, speech and transcriptions: requests to calls of generateContent, and the answers back."""
