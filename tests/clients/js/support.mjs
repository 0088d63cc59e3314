// What the tests share. Clients are made without options: they find the server by the environment.
import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { Readable } from "node:stream";

const PIECE = 70_001;

/** Looks up every name as this machine: not every resolver knows <bucket>.localhost. */
const lookup = (_host, options, found) =>
  options.all ? found(null, [{ address: "127.0.0.1", family: 4 }]) : found(null, "127.0.0.1", 4);

/** Options of S3Client for each way to write a bucket's address, and the host that requests then go to. */
export const addresses = {
  "the address that the server printed": { options: {}, host: () => "127.0.0.1" },
  "forcePathStyle": { options: { forcePathStyle: true }, host: () => "127.0.0.1" },
  "<bucket>.localhost": {
    options: {
      endpoint: `http://localhost:${new URL(process.env.AWS_ENDPOINT_URL).port}`,
      requestHandler: { httpAgent: new Agent({ lookup }) },
    },
    host: (bucket) => `${bucket}.localhost`,
  },
};

/** A stream of the bytes whose length cannot be known beforehand. */
export function streamOf(bytes) {
  return Readable.from(
    (function* () {
      for (let i = 0; i < bytes.length; i += PIECE) yield bytes.subarray(i, i + PIECE);
    })(),
  );
}

/** All bytes of an object. */
export async function download(response) {
  return Buffer.from(await response.Body.transformToByteArray());
}

/** What a program without an SDK gets under a presigned URL. */
export function plainly(method, url, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, lookup, headers }, (reply) => {
      const pieces = [];
      reply.on("data", (piece) => pieces.push(piece));
      reply.on("end", () => resolve({ status: reply.statusCode, headers: reply.headers, body: Buffer.concat(pieces) }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** The hosts of the requests that a client sends. */
export function hostsOf(client) {
  const hosts = new Set();
  const note = (next) => (call) => {
    hosts.add(call.request.hostname);
    return next(call);
  };
  client.middlewareStack.add(note, { step: "finalizeRequest", priority: "low" });
  return hosts;
}

/** Asks until there is an answer. */
export async function until(ask, { seconds = 120, pause = 0 } = {}) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  assert.fail(`nothing came within ${seconds} s`);
}
