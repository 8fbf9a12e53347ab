"""The model's answer: functions to call, text, media, usage."""
