// images.generate, images.edit and models, with OpenAI's own Node SDK.

import assert from "node:assert/strict";
import { test } from "node:test";

import { toFile } from "openai";

import { account, balance, client, MODEL, png } from "./gateway.mjs";

const openai = client();

async function picture(background = "opaque") {
  const answer = await openai.images.generate({ model: MODEL, prompt: "a tree", background });
  return png(answer.data[0].b64_json);
}

test("generate answers base64 with usage and a request id", async () => {
  const answer = await openai.images.generate({ model: MODEL, prompt: "a lighthouse" });

  png(answer.data[0].b64_json);
  assert.ok(answer.usage.total_tokens > 0);
  assert.match(answer._request_id, /^req_/);
});

test("generate answers a URL that opens without credentials", async () => {
  const answer = await openai.images.generate({
    model: MODEL,
    prompt: "a lighthouse",
    response_format: "url",
  });
  const image = await fetch(answer.data[0].url);

  assert.equal(image.status, 200);
  assert.equal(image.headers.get("content-type"), "image/png");
  png(Buffer.from(await image.arrayBuffer()).toString("base64"));
});

test("four images are four, and charged as four", async () => {
  const apiKey = await account(100);
  const answer = await client({ apiKey }).images.generate({ model: MODEL, prompt: "cats", n: 4 });

  assert.equal(answer.data.length, 4);
  assert.deepEqual(await balance(apiKey), { credits: "72", held: "0" });
});

test("a stream shows previews and ends with the image", async () => {
  const stream = await openai.images.generate({
    model: MODEL,
    prompt: "a fox",
    stream: true,
    partial_images: 2,
  });
  const events = [];
  for await (const event of stream) events.push(event);

  assert.deepEqual(
    events.map((event) => event.type),
    [
      "image_generation.partial_image",
      "image_generation.partial_image",
      "image_generation.completed",
    ],
  );
  png(events.at(-1).b64_json);
});

for (const count of [1, 3]) {
  test(`edit takes ${count} image(s)`, async () => {
    const bytes = await picture();
    const files = await Promise.all(
      Array.from({ length: count }, (_, i) => toFile(bytes, `${i}.png`, { type: "image/png" })),
    );
    const image = count === 1 ? files[0] : files;
    const answer = await openai.images.edit({ model: MODEL, image, prompt: "make it blue" });

    png(answer.data[0].b64_json);
  });
}

test("edit takes a mask", async () => {
  const answer = await openai.images.edit({
    model: MODEL,
    image: await toFile(await picture(), "image.png", { type: "image/png" }),
    mask: await toFile(await picture("transparent"), "mask.png", { type: "image/png" }),
    prompt: "fill it",
  });

  png(answer.data[0].b64_json);
});

test("edit streams", async () => {
  const stream = await openai.images.edit({
    model: MODEL,
    image: await toFile(await picture(), "image.png", { type: "image/png" }),
    prompt: "make it blue",
    stream: true,
    partial_images: 1,
  });
  const types = [];
  for await (const event of stream) types.push(event.type);

  assert.deepEqual(types, ["image_edit.partial_image", "image_edit.completed"]);
});

test("models are listed and found", async () => {
  const ids = [];
  for await (const model of openai.models.list()) ids.push(model.id);

  assert.ok(ids.includes(MODEL));
  assert.equal((await openai.models.retrieve(MODEL)).object, "model");
});

test("fifty at once all succeed", async () => {
  const apiKey = await account(350);
  const rich = client({ apiKey });
  const asked = Array.from({ length: 50 }, (_, i) =>
    rich.images.generate({ model: MODEL, prompt: `number ${i}` }),
  );
  const answers = await Promise.all(asked);

  for (const answer of answers) png(answer.data[0].b64_json);
  assert.deepEqual(await balance(apiKey), { credits: "0", held: "0" });
});
