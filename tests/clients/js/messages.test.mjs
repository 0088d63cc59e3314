// SNS, SQS, IAM and STS.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  DeletePolicyCommand,
  DeleteRoleCommand,
  DetachRolePolicyCommand,
  IAMClient,
  NoSuchEntityException,
  paginateListAttachedRolePolicies,
} from "@aws-sdk/client-iam";
import { CreateTopicCommand, DeleteTopicCommand, PublishBatchCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageBatchCommand,
  SendMessageCommand,
} from "@aws-sdk/client-sqs";
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const ACCOUNT = "000000000000";
const sqs = new SQSClient(); // it compares the MD5 of what it sends and receives by itself
const sns = new SNSClient();

test("a queue's messages", async () => {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "javascript" }));
  const everything = { MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] };
  const waiting = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20, ...everything }));
  const MessageAttributes = {
    frames: { DataType: "Number", StringValue: "25" },
    raw: { DataType: "Binary", BinaryValue: Buffer.from([0, 255]) },
  };
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "<ü & 日本>", MessageAttributes }));
  const { Messages: [message] } = await waiting;
  assert.equal(message.Body, "<ü & 日本>");
  assert.equal(message.MessageAttributes.frames.StringValue, "25");
  assert.deepEqual(Buffer.from(message.MessageAttributes.raw.BinaryValue), Buffer.from([0, 255]));
  assert.equal(message.Attributes.ApproximateReceiveCount, "1");
  const { ReceiptHandle } = message;
  await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
  const Entries = Array.from({ length: 9 }, (_, i) => ({ Id: `${i}`, MessageBody: `message ${i}` }));
  assert.equal((await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }))).Successful.length, 9);
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }));
  assert.equal(Messages.length, 10);
  const handles = Messages.map(({ ReceiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle }));
  assert.equal((await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: handles }))).Successful.length, 10);
  assert.equal((await sqs.send(new ReceiveMessageCommand({ QueueUrl }))).Messages, undefined);
  await sqs.send(new DeleteQueueCommand({ QueueUrl }));
  await assert.rejects(sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "late" })), QueueDoesNotExist);
});

test("a topic's messages reach its queue", async () => {
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: "javascript" }));
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "javascript-readers" }));
  const Endpoint = `arn:aws:sqs:us-east-1:${ACCOUNT}:javascript-readers`;
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint }));
  const PublishBatchRequestEntries = ["a", "b"].map((Message) => ({ Id: Message, Message, Subject: "letters" }));
  assert.equal((await sns.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries }))).Successful.length, 2);
  const bodies = [];
  while (bodies.length < 2) {
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10, MaxNumberOfMessages: 10 }));
    assert.ok(Messages, "both messages come");
    bodies.push(...Messages.map(({ Body }) => JSON.parse(Body)));
  }
  assert.deepEqual(bodies.map(({ Message }) => Message).toSorted(), ["a", "b"]);
  for (const body of bodies) assert.deepEqual([body.Type, body.TopicArn, body.Subject], ["Notification", TopicArn, "letters"]);
  await sns.send(new DeleteTopicCommand({ TopicArn }));
  await sqs.send(new DeleteQueueCommand({ QueueUrl }));
});

test("a role and its policy", async () => {
  const iam = new IAMClient();
  const sts = new STSClient();
  const RoleName = "javascript";
  const trust = { Effect: "Allow", Principal: { Service: "rekognition.amazonaws.com" }, Action: "sts:AssumeRole" };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [trust] });
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
  assert.equal(decodeURIComponent(Role.AssumeRolePolicyDocument), AssumeRolePolicyDocument);
  assert.ok(Role.CreateDate instanceof Date);
  const publish = { Effect: "Allow", Action: "sns:Publish", Resource: "*" };
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [publish] });
  const { Policy: { Arn: PolicyArn } } = await iam.send(new CreatePolicyCommand({ PolicyName: "javascript", PolicyDocument }));
  await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
  const attached = [];
  for await (const { AttachedPolicies } of paginateListAttachedRolePolicies({ client: iam }, { RoleName })) {
    attached.push(...AttachedPolicies);
  }
  assert.deepEqual(attached, [{ PolicyName: "javascript", PolicyArn }]);

  assert.equal((await sts.send(new GetCallerIdentityCommand())).Account, ACCOUNT);
  const { Credentials } = await sts.send(new AssumeRoleCommand({ RoleArn: Role.Arn, RoleSessionName: "test" }));
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = Credentials;
  const assumed = new STSClient({ credentials: { accessKeyId, secretAccessKey, sessionToken } });
  assert.equal((await assumed.send(new GetCallerIdentityCommand())).Account, ACCOUNT);

  await iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }));
  await iam.send(new DeletePolicyCommand({ PolicyArn }));
  await iam.send(new DeleteRoleCommand({ RoleName }));
  await assert.rejects(iam.send(new DeleteRoleCommand({ RoleName })), NoSuchEntityException);
});
