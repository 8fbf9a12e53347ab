// Images and sounds by the openai package for JavaScript and by the AI SDK, against the adapter at the URL given.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { generateImage, generateSpeech, generateText, transcribe } from "ai";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "unused", maxRetries: 0 });
const sdk = createOpenAI({ baseURL: process.argv[2], apiKey: "unused" });
const words = "Hello there. How are you?";

const steps = {
  async draws_and_edits() {
    const drawn = await client.images.generate({ prompt: "a cat" });
    const bytes = Buffer.from(drawn.data[0].b64_json, "base64");
    assert.equal(bytes.subarray(1, 4).toString(), "PNG");
    const image = await toFile(bytes, "cat.png", { type: "image/png" });
    const edited = await client.images.edit({ prompt: "greener", image: [image, image], mask: image });
    assert.equal(edited.size, "1024x1024");
    const types = [];
    for await (const event of await client.images.generate({ prompt: "a cat", stream: true })) types.push(event.type);
    assert.deepEqual(types, ["image_generation.completed"]);
  },
  async speaks_and_hears() {
    const spoken = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: words, response_format: "wav" });
    const file = await toFile(Buffer.from(await spoken.arrayBuffer()), "words.wav");
    const heard = await client.audio.transcriptions.create({ model: "whisper-1", file });
    assert.equal(heard.text, words);
    const subtitles = await client.audio.transcriptions.create({ model: "whisper-1", file, response_format: "vtt" });
    assert.ok(subtitles.startsWith("WEBVTT"));
  },
  async draws_with_the_AI_SDK() {
    const { image, images } = await generateImage({ model: sdk.image("gpt-image-1"), prompt: "a cat", size: "1024x1024", n: 2 });
    assert.deepEqual([image.mediaType, images.length], ["image/png", 2]);
  },
  async speaks_and_hears_with_the_AI_SDK() {
    const { audio } = await generateSpeech({ model: sdk.speech("tts-1"), text: words, voice: "alloy" });
    assert.equal(audio.mediaType, "audio/mpeg");
    const wav = await generateSpeech({ model: sdk.speech("tts-1"), text: words, outputFormat: "wav" });
    const heard = await transcribe({ model: sdk.transcription("whisper-1"), audio: wav.audio.uint8Array });
    assert.equal(heard.text, words);
    assert.equal(heard.segments.length, 2);
  },
  async chats_with_the_AI_SDK() {
    const { text } = await generateText({ model: sdk.chat("gemini-3.5-flash"), prompt: "hello there" });
    assert.match(text, /hello there/);
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log("JavaScript:", name.replaceAll("_", " "), "ok");
}
