"""AWS's tutorial for this case, in its Python form: an upload starts a function, the completion another one."""

from __future__ import annotations

import json
from pathlib import Path

from e2e_media import cat, fitted, motorcycle, slides
from lambda_code import create, eventually, log_lines

import openrek.cli
from real_server import ROLE, Server


def test_an_upload_becomes_labels_by_way_of_two_functions(tmp_path: Path, server: Server) -> None:
    s3, sns, functions = server.client("s3"), server.client("sns"), server.client("lambda")
    for bucket in ("tutorial-videos", "tutorial-labels"):
        s3.create_bucket(Bucket=bucket)
    topic = sns.create_topic(Name="AmazonRekognitionTutorial")["TopicArn"]
    code = Path(openrek.cli.__file__).with_name("demo_functions.py").read_text("utf-8")
    environment = {"Variables": {"TOPIC_ARN": topic, "ROLE_ARN": ROLE, "RESULTS_BUCKET": "tutorial-labels"}}
    start = create(server, "tutorial-start", code, "code_of.start", Environment=environment)
    collect = create(server, "tutorial-collect", code, "code_of.collect", Environment=environment)
    for name, principal, source in (
        ("tutorial-start", "s3.amazonaws.com", "arn:aws:s3:::tutorial-videos"),
        ("tutorial-collect", "sns.amazonaws.com", topic),
    ):
        action = "lambda:InvokeFunction"
        functions.add_permission(FunctionName=name, StatementId="call", Action=action, Principal=principal, SourceArn=source)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=collect)
    rule = {
        "LambdaFunctionArn": start,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".mp4"}]}},
    }
    s3.put_bucket_notification_configuration(Bucket="tutorial-videos", NotificationConfiguration={"LambdaFunctionConfigurations": [rule]})

    s3.put_object(Bucket="tutorial-videos", Key="read me.txt", Body=b"no video")
    video = slides(tmp_path / "video.mp4", [fitted(cat()), fitted(motorcycle())], frames=24)
    s3.upload_file(str(video), "tutorial-videos", "films/cat & motorcycle.mp4")

    found = eventually(
        lambda: s3.list_objects_v2(Bucket="tutorial-labels").get("Contents"),
        f"no labels were stored: {log_lines(server, 'tutorial-start')} {log_lines(server, 'tutorial-collect')}",
    )
    assert [one["Key"] for one in found] == ["films/cat & motorcycle.mp4.labels.json"]
    labels = json.loads(s3.get_object(Bucket="tutorial-labels", Key=found[0]["Key"])["Body"].read())
    assert {"Cat", "Motorcycle"} <= labels.keys()
    assert list(labels.values()) == sorted(labels.values(), reverse=True)
    assert sum(line.startswith("job ") for line in log_lines(server, "tutorial-start")) == 1
