// Every error class with its code and param, retries, and leaving a stream half-way.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import OpenAI from "openai";

import {
  account,
  balance,
  CHANNELS,
  client,
  eventually,
  fault,
  heal,
  MODEL,
  settings,
} from "./gateway.mjs";

afterEach(async () => {
  await heal();
  await settings({ image: "tiny", latency_ms: 0, partial_interval_ms: 0 });
});

/** A client whose answers' statuses are noted. */
function watched(options) {
  const statuses = [];
  const counted = async (url, init) => {
    const response = await fetch(url, init);
    statuses.push(response.status);
    return response;
  };
  return [client({ fetch: counted, ...options }), statuses];
}

const REFUSED = [
  [{ model: "no-such" }, OpenAI.NotFoundError, "model_not_found", "model"],
  [{ size: "17x17" }, OpenAI.BadRequestError, "invalid_value", "size"],
  [{ n: 11 }, OpenAI.BadRequestError, "invalid_value", "n"],
  [{ n: "four" }, OpenAI.BadRequestError, "invalid_type", "n"],
  [{ sizze: "1024x1024" }, OpenAI.BadRequestError, "unknown_parameter", "sizze"],
  [{ prompt: undefined }, OpenAI.BadRequestError, "missing_required_parameter", "prompt"],
  [{ prompt: "moderation_blocked" }, OpenAI.BadRequestError, "moderation_blocked", null],
];

for (const [changes, kind, code, param] of REFUSED) {
  test(`${JSON.stringify(changes)} is ${code}, names its parameter and costs nothing`, async () => {
    const apiKey = await account(100);
    const asked = client({ apiKey }).images.generate({ model: MODEL, prompt: "x", ...changes });

    await assert.rejects(asked, (error) => {
      assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
      assert.deepEqual([error.code, error.param], [code, param]);
      assert.equal(error.type, code === "moderation_blocked" ? error.type : "invalid_request_error");
      assert.match(error.requestID, /^req_/);
      return true;
    });
    assert.deepEqual(await balance(apiKey), { credits: "100", held: "0" });
  });
}

test("a wrong key is an authentication error", async () => {
  const asked = client({ apiKey: "sk-wrong" }).images.generate({ model: MODEL, prompt: "x" });

  await assert.rejects(asked, { constructor: OpenAI.AuthenticationError, code: "invalid_api_key" });
});

test("what is not built is a 404 that is not retried", async () => {
  const [openai, statuses] = watched({ maxRetries: 2 });
  const asked = openai.embeddings.create({ model: MODEL, input: "x" });

  await assert.rejects(asked, {
    constructor: OpenAI.NotFoundError,
    code: "endpoint_not_available",
  });
  assert.deepEqual(statuses, [404]);
});

test("an empty account is refused as out of quota and not retried", async () => {
  const [openai, statuses] = watched({ apiKey: process.env.REAPI_POOR_API_KEY, maxRetries: 2 });
  const asked = openai.images.generate({ model: MODEL, prompt: "x" });

  await assert.rejects(asked, { constructor: OpenAI.RateLimitError, code: "insufficient_quota" });
  assert.deepEqual(statuses, [429]);
});

test("a key used for another request is unprocessable", async () => {
  const headers = { "Idempotency-Key": `node-${process.pid}` };
  const openai = client();
  await openai.images.generate({ model: MODEL, prompt: "a cat" }, { headers });
  const asked = openai.images.generate({ model: MODEL, prompt: "a dog" }, { headers });

  await assert.rejects(asked, { constructor: OpenAI.UnprocessableEntityError });
});

test("the SDK retries what failed upstream and is charged once", async () => {
  const apiKey = await account(100);
  for (const channel of CHANNELS) await fault(channel, { kind: "status", status: 503, times: 2 });
  const [openai, statuses] = watched({ apiKey, maxRetries: 3 });
  await openai.images.generate({ model: MODEL, prompt: "x" });

  assert.equal(statuses.at(-1), 200);
  assert.ok(statuses.slice(0, -1).every((status) => status >= 500), String(statuses));
  assert.deepEqual(await balance(apiKey), { credits: "93", held: "0" });
});

test("every channel down is an internal server error that costs nothing", async () => {
  const apiKey = await account(100);
  for (const channel of CHANNELS) await fault(channel, { kind: "status", status: 500, times: 2 });
  const asked = client({ apiKey }).images.generate({ model: MODEL, prompt: "x" });

  await assert.rejects(asked, (error) => error instanceof OpenAI.InternalServerError);
  assert.deepEqual(await balance(apiKey), { credits: "100", held: "0" });
});

test("leaving a stream half-way ends it cleanly and leaves no hold", async () => {
  const apiKey = await account(100);
  await settings({ image: "tiny", latency_ms: 200, partial_interval_ms: 150 });
  const stream = await client({ apiKey }).images.generate({
    model: MODEL,
    prompt: "a fox",
    stream: true,
    partial_images: 3,
  });
  const types = [];
  for await (const event of stream) {
    types.push(event.type);
    stream.controller.abort();
  }

  assert.deepEqual(types, ["image_generation.partial_image"]);
  await eventually(async () => (await balance(apiKey)).held === "0");
  assert.deepEqual(await balance(apiKey), { credits: "93", held: "0" });
});

test("a request aborted before its answer leaves no hold", async () => {
  const apiKey = await account(100);
  await settings({ image: "tiny", latency_ms: 300 });
  const controller = new AbortController();
  const asked = client({ apiKey }).images.generate(
    { model: MODEL, prompt: "x" },
    { signal: controller.signal },
  );
  const rejected = assert.rejects(asked, OpenAI.APIUserAbortError);
  await eventually(async () => (await balance(apiKey)).held === "7");
  controller.abort();

  await rejected;
  await eventually(async () => (await balance(apiKey)).held === "0");
});
