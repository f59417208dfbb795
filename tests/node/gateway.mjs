// The running gateway, as the environment names it, and its stable handles (README.md).

import assert from "node:assert/strict";

import OpenAI from "openai";

export const MODEL = "gpt-image-2";
export const CHANNELS = ["openai-a", "openai-b", "openai-c"];

const { REAPI_REST_URL: REST, REAPI_SIMULATOR_URL: SIMULATOR } = process.env;

/** A client of the SDK, unmodified; it retries nothing unless `options` say so. */
export function client(options = {}) {
  return new OpenAI({
    baseURL: `${REST}/v1`,
    apiKey: process.env.REAPI_API_KEY,
    maxRetries: 0,
    // The demo has other providers for the model too; these tests are about the three accounts.
    defaultHeaders: { "x-reapi-routing": `only=${CHANNELS.join(",")}` },
    ...options,
  });
}

/** A new account with `credits`; gives its key. */
export async function account(credits) {
  const admin = `Bearer ${process.env.REAPI_ADMIN_TOKEN}`;
  const made = await json("POST", `${REST}/api/v1/admin/accounts`, { name: "node" }, admin);
  const grant = { credits: String(credits), request_id: "first" };
  await json("POST", `${REST}/api/v1/admin/accounts/${made.id}:grant`, grant, admin);
  return made.api_key;
}

/** What an account has: `{credits, held}`. */
export function balance(key) {
  return json("GET", `${REST}/api/v1/balance`, undefined, `Bearer ${key}`);
}

/** Break a channel. */
export function fault(channel, how) {
  return json("PUT", `${SIMULATOR}/_faults/${channel}`, how);
}

/** Heal every channel. */
export function heal() {
  return json("DELETE", `${SIMULATOR}/_faults`);
}

/** Turn the simulator's knobs. */
export function settings(knobs) {
  return json("PUT", `${SIMULATOR}/_settings`, knobs);
}

/** Wait until `check` gives true. */
export async function eventually(check, seconds = 10) {
  const end = Date.now() + seconds * 1000;
  while (!(await check())) {
    assert.ok(Date.now() < end, "it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** The bytes of a PNG, checked by its signature. */
export function png(base64) {
  const bytes = Buffer.from(base64, "base64");
  assert.equal(bytes.subarray(1, 4).toString("latin1"), "PNG");
  return bytes;
}

async function json(method, url, body, authorization) {
  const headers = { "content-type": "application/json" };
  if (authorization) headers.authorization = authorization;
  const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${new URL(url).pathname}: ${response.status} ${text}`);
  return JSON.parse(text);
}
