// The developer guide's way in JavaScript: start, wait for the message, get all pages; and the same by polling.
import assert from "node:assert/strict";
import { createReadStream, statSync } from "node:fs";
import { after, before, test } from "node:test";
import {
  GetLabelDetectionCommand,
  IdempotentParameterMismatchException,
  InvalidS3ObjectException,
  RekognitionClient,
  ResourceNotFoundException,
  StartLabelDetectionCommand,
} from "@aws-sdk/client-rekognition";
import { CreateBucketCommand, DeleteBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateTopicCommand, DeleteTopicCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SQSClient,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import { until } from "./support.mjs";

const rekognition = new RekognitionClient();
const s3 = new S3Client();
const sns = new SNSClient();
const sqs = new SQSClient();
const stored = { Bucket: "javascript-footage", Name: "reel.mp4" };
const object = { Bucket: stored.Bucket, Key: stored.Name };

before(async () => {
  await s3.send(new CreateBucketCommand({ Bucket: stored.Bucket }));
  const path = process.env.VIDEO;
  await s3.send(new PutObjectCommand({ ...object, Body: createReadStream(path), ContentLength: statSync(path).size }));
});

after(async () => {
  await s3.send(new DeleteObjectCommand(object));
  await s3.send(new DeleteBucketCommand({ Bucket: stored.Bucket }));
});

/** All pages of a job that has ended. */
async function* pages(input) {
  let NextToken;
  do {
    const page = await rekognition.send(new GetLabelDetectionCommand({ ...input, NextToken }));
    yield page;
    NextToken = page.NextToken;
  } while (NextToken);
}

test("start, receive, get", async () => {
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: "AmazonRekognitionExample" }));
  const Attributes = { DelaySeconds: "1", MessageRetentionPeriod: "86400" };
  await sqs.send(new CreateQueueCommand({ QueueName: "AmazonRekognitionQueue", Attributes }));
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: "AmazonRekognitionQueue" }));
  const { Attributes: { QueueArn } } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }));
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint: QueueArn }));
  const Condition = { ArnEquals: { "aws:SourceArn": TopicArn } };
  const statement = { Effect: "Allow", Principal: { AWS: "*" }, Action: "SQS:SendMessage", Resource: QueueArn, Condition };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));

  const NotificationChannel = { RoleArn: "arn:aws:iam::000000000000:role/rekognition", SNSTopicArn: TopicArn };
  const { JobId } = await rekognition.send(
    new StartLabelDetectionCommand({ Video: { S3Object: stored }, NotificationChannel, JobTag: "javascript" }),
  );
  const { Messages } = await until(async () => {
    const received = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }));
    return received.Messages && received;
  });
  assert.equal(Messages.length, 1);
  const message = JSON.parse(JSON.parse(Messages[0].Body).Message);
  assert.deepEqual(
    [message.JobId, message.Status, message.API, message.JobTag, message.Video],
    [JobId, "SUCCEEDED", "StartLabelDetection", "javascript", { S3ObjectName: stored.Name, S3Bucket: stored.Bucket }],
  );
  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }));

  const first = await rekognition.send(new GetLabelDetectionCommand({ JobId, MaxResults: 10, NextToken: "", SortBy: "TIMESTAMP" }));
  assert.deepEqual(
    [first.VideoMetadata.Codec, first.VideoMetadata.DurationMillis, first.VideoMetadata.Format, first.VideoMetadata.FrameRate],
    ["h264", 21000, "QuickTime / MOV", 25],
  );
  assert.equal(first.Labels.length, 10);
  for (const { Timestamp, Label } of first.Labels) {
    assert.equal(typeof Timestamp, "number");
    assert.equal(typeof Label.Confidence, "number");
    assert.ok(Array.isArray(Label.Parents) && Array.isArray(Label.Aliases) && Array.isArray(Label.Categories));
    for (const { BoundingBox } of Label.Instances) assert.ok(BoundingBox.Width > 0 && BoundingBox.Left >= 0);
  }

  await sqs.send(new DeleteQueueCommand({ QueueUrl }));
  await sns.send(new DeleteTopicCommand({ TopicArn }));
});

test("poll until the job has ended, then page", async () => {
  const input = { Video: { S3Object: stored }, ClientRequestToken: "javascript-polls", MinConfidence: 40 };
  const { JobId } = await rekognition.send(new StartLabelDetectionCommand(input));
  assert.match(JobId, /^[0-9a-f]{64}$/);
  const ended = await until(
    async () => {
      const now = await rekognition.send(new GetLabelDetectionCommand({ JobId, MaxResults: 1 }));
      if (now.JobStatus !== "IN_PROGRESS") return now;
      assert.deepEqual(now.Labels, []);
    },
    { pause: 1000 },
  );
  assert.equal(ended.JobStatus, "SUCCEEDED");

  const whole = await rekognition.send(new GetLabelDetectionCommand({ JobId }));
  assert.equal(whole.NextToken, undefined);
  const paged = [];
  for await (const { Labels } of pages({ JobId, MaxResults: 17 })) {
    assert.ok(Labels.length > 0 && Labels.length <= 17);
    paged.push(...Labels);
  }
  assert.deepEqual(paged, whole.Labels);
  const names = [];
  for await (const { Labels, GetRequestMetadata } of pages({ JobId, MaxResults: 50, SortBy: "NAME" })) {
    assert.deepEqual(GetRequestMetadata, { SortBy: "NAME", AggregateBy: "TIMESTAMPS" });
    names.push(...Labels.map(({ Label }) => Label.Name));
  }
  assert.deepEqual(names, names.toSorted());
  assert.equal(names.length, paged.length);

  const again = await rekognition.send(new StartLabelDetectionCommand(input));
  assert.equal(again.JobId, JobId);
  await assert.rejects(
    rekognition.send(new StartLabelDetectionCommand({ ...input, MinConfidence: 41 })),
    IdempotentParameterMismatchException,
  );
});

test("errors are the SDK's own classes", async () => {
  const nowhere = { Bucket: "nowhere", Name: "none.mp4" };
  await assert.rejects(rekognition.send(new StartLabelDetectionCommand({ Video: { S3Object: nowhere } })), (error) => {
    assert.ok(error instanceof InvalidS3ObjectException);
    assert.match(error.message, /^Unable to get object metadata from S3\./);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    assert.equal(error.$metadata.attempts, 1);
    return true;
  });
  await assert.rejects(rekognition.send(new GetLabelDetectionCommand({ JobId: "0".repeat(64) })), ResourceNotFoundException);
  await assert.rejects(rekognition.send(new GetLabelDetectionCommand({ JobId: "0".repeat(64), MaxResults: 0 })), {
    name: "ValidationException",
    message: /^1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint/,
  });
});
