// S3: every way to send bytes and to write a bucket's address.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
  waitUntilObjectExists,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { addresses, download, hostsOf, plainly, streamOf } from "./support.mjs";

const ALGORITHMS = [undefined, "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];
const CONTENT = randomBytes(11_000_000); // three parts

/** Runs `use` with a bucket of its own, which is empty and gone afterwards. */
async function withBucket(client, Bucket, use) {
  await client.send(new CreateBucketCommand({ Bucket }));
  try {
    await use(Bucket);
  } finally {
    for await (const { Contents = [] } of paginateListObjectsV2({ client, pageSize: 3 }, { Bucket })) {
      const Objects = Contents.map(({ Key }) => ({ Key }));
      if (Objects.length) await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    }
    await client.send(new DeleteBucketCommand({ Bucket }));
  }
}

for (const [index, [name, { options, host }]] of Object.entries(addresses).entries()) {
  const client = new S3Client(options);
  const hosts = hostsOf(client);
  const bucket = `javascript-${index}`;

  test(`lib-storage uploads a stream of unknown length: ${name}`, async () => {
    await withBucket(client, bucket, async (Bucket) => {
      for (const ChecksumAlgorithm of ALGORITHMS) {
        const Key = `a b/ü/${ChecksumAlgorithm}.mp4`;
        const params = { Bucket, Key, Body: streamOf(CONTENT), ContentType: "video/mp4", ChecksumAlgorithm };
        const done = await new Upload({ client, params }).done();
        assert.match(done.ETag, /^"[0-9a-f]{32}-3"$/);
        const there = await plainly("HEAD", done.Location);
        assert.equal(there.status, 200, `${done.Location} leads to the object`);
        const got = await client.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
        assert.equal(got.ContentType, "video/mp4");
        assert.equal(got.ContentEncoding, undefined);
        assert.ok(got[`Checksum${ChecksumAlgorithm ?? "CRC32"}`]);
        assert.ok((await download(got)).equals(CONTENT));
      }
      const small = CONTENT.subarray(0, 200_000); // one PutObject
      await new Upload({ client, params: { Bucket, Key: "small", Body: streamOf(small) } }).done();
      assert.ok((await download(await client.send(new GetObjectCommand({ Bucket, Key: "small" })))).equals(small));
    });
    assert.deepEqual([...hosts], [host(bucket)]);
  });

  test(`PutObject sends a stream with a trailing checksum: ${name}`, async () => {
    await withBucket(client, bucket, async (Bucket) => {
      const Key = "streamed.mp4";
      const ETag = `"${createHash("md5").update(CONTENT).digest("hex")}"`;
      for (const ChecksumAlgorithm of ALGORITHMS) {
        const Body = streamOf(CONTENT);
        const put = await client.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength: CONTENT.length, ChecksumAlgorithm }));
        assert.equal(put.ETag, ETag);
        const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
        assert.equal(head.ContentLength, CONTENT.length);
        assert.equal(head.ContentEncoding, undefined);
        assert.equal(head.ChecksumType, "FULL_OBJECT");
        assert.ok(head[`Checksum${ChecksumAlgorithm ?? "CRC32"}`]);
      }
      const part = await client.send(new GetObjectCommand({ Bucket, Key, Range: "bytes=10-19", IfMatch: ETag }));
      assert.equal(part.ContentRange, `bytes 10-19/${CONTENT.length}`);
      assert.ok((await download(part)).equals(CONTENT.subarray(10, 20)));
    });
  });

  test(`presigned URLs: ${name}`, async () => {
    await withBucket(client, bucket, async (Bucket) => {
      const Key = "pre signed/ü.mp4";
      const upload = new PutObjectCommand({ Bucket, Key, ContentType: "video/mp4", Metadata: { camera: "12" } });
      const put = await plainly("PUT", await getSignedUrl(client, upload, { expiresIn: 60 }), CONTENT, { "content-type": "video/mp4" });
      assert.equal(put.status, 200, put.body.toString());
      const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
      assert.deepEqual([head.ContentLength, head.ContentType, head.Metadata], [CONTENT.length, "video/mp4", { camera: "12" }]);
      const ResponseContentDisposition = 'attachment; filename="a.mp4"';
      const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key, ResponseContentDisposition }));
      assert.equal(new URL(url).hostname, host(Bucket));
      const got = await plainly("GET", url);
      assert.equal(got.headers["content-disposition"], ResponseContentDisposition);
      assert.ok(got.body.equals(CONTENT));
    });
  });
}

test("what is not there, and what is", async () => {
  const client = new S3Client();
  await withBucket(client, "javascript-errors", async (Bucket) => {
    await assert.rejects(client.send(new GetObjectCommand({ Bucket, Key: "none" })), (error) => {
      assert.ok(error instanceof NoSuchKey);
      assert.equal(error.message, "The specified key does not exist.");
      assert.equal(error.$metadata.httpStatusCode, 404);
      assert.match(error.$metadata.requestId, /^[0-9A-Za-z-]{16,}$/);
      return true;
    });
    await assert.rejects(client.send(new HeadObjectCommand({ Bucket, Key: "none" })), NotFound);
    await client.send(new PutObjectCommand({ Bucket, Key: "some", Body: "text" }));
    const { state } = await waitUntilObjectExists({ client, maxWaitTime: 20 }, { Bucket, Key: "some" });
    assert.equal(state, "SUCCESS");
    await assert.rejects(client.send(new DeleteBucketCommand({ Bucket })), { name: "BucketNotEmpty" });
  });
});
