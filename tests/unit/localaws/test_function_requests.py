"""Requests about functions: what is refused and in which words, what changes and what does not."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packing import ROLE, packed

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.functions import service
from openrek.localaws.functions.pool import Pool

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:function"


def refused(code: str, message: str) -> Any:
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


def test_what_is_told_of_a_new_function(cloud):
    code = packed({"code.py": "x"})
    made = cloud.awslambda(
        "CreateFunction",
        FunctionName="function",
        Runtime="python3.13",
        Handler="code.handler",
        Role=ROLE,
        Code={"ZipFile": code},
        Environment={"Variables": {"A": "1"}},
        Tags={"a": "b"},
    )
    assert made["FunctionArn"] == ARN
    assert (made["State"], made["LastUpdateStatus"], made["Version"]) == ("Active", "Successful", "$LATEST")
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert (made["CodeSize"], made["Timeout"], made["MemorySize"]) == (len(code), 3, 128)
    assert made["LastModified"] == "2023-11-14T22:13:20.000+0000"
    assert made["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/function"}
    found = cloud.awslambda("GetFunction", FunctionName="function")
    assert (found["Configuration"], found["Tags"]) == (made, {"a": "b"})
    assert found["Code"]["Location"] == f"http://localhost:4599/_functions/packages/{hashlib.sha256(code).hexdigest()}.zip"


@pytest.mark.parametrize(
    "name",
    ["function", ARN, "000000000000:function:function", "function:function"],
)
def test_names_of_all_forms(cloud, name):
    cloud.function()
    assert cloud.awslambda("GetFunctionConfiguration", FunctionName=name)["FunctionArn"] == ARN


def test_functions_of_others_are_not_there(cloud):
    cloud.function()
    for name in (ARN.replace("eu-west-1", "us-east-1"), ARN.replace("000000000000", "111111111111"), f"{ARN}:1", f"{ARN}:alias"):
        with refused("ResourceNotFoundException", "^Function not found: arn:aws:lambda:"):
            cloud.awslambda("GetFunction", FunctionName=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Runtime": "nodejs22.x"}, "The runtime parameter of nodejs22.x is not supported .*: use python3.9 or later"),
        ({"Timeout": 901}, "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"),
        ({"MemorySize": 10_241}, "Member must have value less than or equal to 10240"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "Reserved keys used in this request: AWS_REGION"),
        ({"Environment": {"Variables": {"A": "x" * 4096}}}, "exceeded the 4KB limit"),
        ({"Layers": ["arn"]}, "openrek has no layers: put what is in them into the package. Leave Layers out."),
        ({"PackageType": "Image"}, "PackageType must be Zip"),
        ({"VpcConfig": {"SubnetIds": ["a"]}}, "openrek has no VPC"),
        ({"TracingConfig": {"Mode": "Active"}}, "openrek has no X-Ray"),
        ({"Code": {"ImageUri": "x"}}, "openrek has no container images"),
        ({"Code": {}}, "Please provide a source for function code."),
        ({"Handler": None}, "Handler is mandatory"),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:s3:::bucket"}}, "must be the ARN of a standard queue or topic"),
        ({"LoggingConfig": {"ApplicationLogLevel": "DEBUG"}}, "Log level can only be set when LogFormat is JSON"),
    ],
)
def test_what_cannot_be_is_refused(cloud, changes, message):
    with refused("InvalidParameterValueException", message):
        cloud.function(**changes)
    with refused("ResourceNotFoundException", "Function not found"):
        cloud.awslambda("GetFunction", FunctionName="function")


def test_a_package_from_s3(cloud):
    cloud.stored["bucket", "code.zip", "v1"] = packed({"code.py": "from s3"})
    cloud.function(Code={"S3Bucket": "bucket", "S3Key": "code.zip", "S3ObjectVersion": "v1"})
    assert cloud.awslambda("GetFunction", FunctionName="function")["Configuration"]["CodeSize"] == len(packed({"code.py": "from s3"}))


def test_changes_ask_for_the_revision_that_they_know(cloud):
    cloud.function()
    known = cloud.awslambda("GetFunctionConfiguration", FunctionName="function")["RevisionId"]
    changed = cloud.awslambda("UpdateFunctionConfiguration", FunctionName="function", Timeout=9, RevisionId=known)
    assert changed["Timeout"] == 9
    for operation, params in (("UpdateFunctionConfiguration", {"Timeout": 8}), ("UpdateFunctionCode", {"ZipFile": packed({"a.py": ""})})):
        with refused("PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id"):
            cloud.awslambda(operation, FunctionName="function", RevisionId=known, **params)
    assert cloud.awslambda("GetFunctionConfiguration", FunctionName="function") == changed


def test_versions_keep_what_they_were(cloud):
    cloud.function(Publish=True)
    cloud.awslambda("UpdateFunctionConfiguration", FunctionName="function", Timeout=9)
    assert cloud.awslambda("PublishVersion", FunctionName="function")["Version"] == "2"
    assert cloud.awslambda("PublishVersion", FunctionName="function")["Version"] == "2"  # nothing has changed
    versions = cloud.awslambda("ListVersionsByFunction", FunctionName="function")["Versions"]
    assert [(one["Version"], one["Timeout"]) for one in versions] == [("$LATEST", 9), ("1", 3), ("2", 9)]
    assert [one["FunctionArn"] for one in versions] == [f"{ARN}:$LATEST", f"{ARN}:1", f"{ARN}:2"]
    cloud.awslambda("DeleteFunction", FunctionName="function", Qualifier="1")
    with refused("ResourceNotFoundException", f"^Function not found: {ARN}:1$"):
        cloud.awslambda("GetFunction", FunctionName="function", Qualifier="1")
    with refused("InvalidParameterValueException", r"\$LATEST version cannot be deleted"):
        cloud.awslambda("DeleteFunction", FunctionName="function", Qualifier="$LATEST")
    assert cloud.awslambda("DeleteFunction", FunctionName="function") == {"StatusCode": 204}
    assert cloud.awslambda("ListFunctions")["Functions"] == []


def test_pages_of_functions(cloud):
    for number in range(5):
        cloud.function(f"f{number}")
    names, marker = [], {}
    while True:
        page = cloud.awslambda("ListFunctions", MaxItems=2, **marker)
        names += [one["FunctionName"] for one in page["Functions"]]
        assert len(page["Functions"]) <= 2
        if "NextMarker" not in page:
            break
        marker = {"Marker": page["NextMarker"]}
    assert names == [f"f{number}" for number in range(5)]
    with refused("InvalidParameterValueException", "marker"):
        cloud.awslambda("ListFunctions", Marker="!")


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({f"k{n}": "" for n in range(51)}, "exceeds resource tag limit of 50"),
        ({"aws:x": ""}, "is invalid"),
        ({"a": "x" * 257}, "is invalid"),
    ],
)
def test_tags_that_cannot_be(cloud, tags, message):
    arn = cloud.function()
    with refused("InvalidParameterValueException", message):
        cloud.awslambda("TagResource", Resource=arn, Tags=tags)
    with refused("InvalidParameterValueException", message):
        cloud.function("other", Tags=tags)


@pytest.mark.parametrize(
    ("payload", "code"), [(b"no json", "InvalidRequestContentException"), (b'"' + b"x" * 6_291_456 + b'"', "RequestTooLargeException")]
)
def test_events_that_no_function_gets(cloud, payload, code):
    cloud.function()
    with refused(code, "Could not parse request body into json|payload is too large"):
        cloud.awslambda("Invoke", FunctionName="function", Payload=payload)
    with refused("InvalidRequestContentException", "client context"):
        cloud.awslambda("Invoke", FunctionName="function", ClientContext="?")
    with refused("RequestTooLargeException", "payload is too large"):
        cloud.awslambda("Invoke", FunctionName="function", InvocationType="Event", Payload=b'"' + b"x" * 1_048_576 + b'"')


def test_a_dry_run_runs_nothing(cloud, tmp_path: Path):
    cloud.function()
    assert cloud.awslambda("Invoke", FunctionName="function", InvocationType="DryRun") == {"StatusCode": 204}
    with refused("ResourceNotFoundException", "Function not found"):
        cloud.awslambda("Invoke", FunctionName="none", InvocationType="DryRun")
    assert not (tmp_path / "functions" / "scratch").exists()


def test_where_functions_may_not_run(cloud, monkeypatch):
    cloud.function()
    monkeypatch.setattr(cloud.functions, "_refusal", "Functions run with the server's rights")
    for operation, params in (("Invoke", {}), ("UpdateFunctionCode", {"ZipFile": packed({"a.py": ""})})):
        with refused("AccessDeniedException", "^Functions run with the server's rights$"):
            cloud.awslambda(operation, FunctionName="function", **params)
    with refused("AccessDeniedException", "^Functions run with the server's rights$"):
        cloud.function("other")
    assert len(cloud.awslambda("ListFunctions")["Functions"]) == 1


def test_permissions_keep_to_the_rules(cloud):
    cloud.function()
    statement = {"FunctionName": "function", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"}
    cloud.awslambda("AddPermission", **statement, StatementId="one")
    with refused("ResourceConflictException", r"The statement id \(one\) provided already exists"):
        cloud.awslambda("AddPermission", **statement, StatementId="one")
    with refused("InvalidParameterValueException", "The provided principal was invalid"):
        cloud.awslambda("AddPermission", **statement | {"Principal": "nobody"}, StatementId="two")
    with refused("PreconditionFailedException", "Revision Id"):
        cloud.awslambda("RemovePermission", FunctionName="function", StatementId="one", RevisionId="other")
    with refused("PolicyLengthExceededException", "bigger than the limit"):
        for number in range(200):
            cloud.awslambda("AddPermission", **statement, StatementId=f"{number:04d}{'x' * 90}")


def test_without_the_runtime_client_it_is_said_what_to_install(cloud, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(service, "find_spec", lambda name: None)
    without = service.Functions(
        cloud.store,
        cloud.topics.publish,
        lambda *where: b"",
        folder=tmp_path / "other",
        endpoint="http://localhost:4599",
        limit=1,
        idle_seconds=1,
    )
    cloud.operations["lambda"] = without.operations()
    with refused("AccessDeniedException", r"pip install 'openrek\[lambda\]'"):
        cloud.function()


def test_a_deletion_in_the_words_of_an_old_model(cloud, monkeypatch: pytest.MonkeyPatch):
    for name in ("one", "other"):
        cloud.function(name)
    assert cloud.awslambda("DeleteFunction", FunctionName="one") == {"StatusCode": 204}
    old = SimpleNamespace(operation=lambda name: SimpleNamespace(output=None))
    monkeypatch.setattr(service, "load_service", lambda name: old)
    assert cloud.awslambda("DeleteFunction", FunctionName="other") == {}


def test_an_old_runtime_client_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert service.missing_part() is None
    (tmp_path / "awslambdaric").mkdir()
    (tmp_path / "awslambdaric" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "awslambdaric", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert "version 4, on the server: pip install 'openrek[lambda]'" in (service.missing_part() or "")
    del sys.modules["awslambdaric"]


def test_a_full_disk_is_told(cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused("CodeStorageExceededException", "No space left on device. Make room on the disk"):
        cloud.function()
    assert list((tmp_path / "functions" / "packages").iterdir()) == []


def test_packages_of_processes_that_still_run_are_kept(cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cloud.function()
    digest = cloud.awslambda("GetFunctionConfiguration", FunctionName="function")["CodeSha256"]
    package = base64.b64decode(digest).hex()
    code = cloud.functions.packages.unpacked(package)
    os.utime(cloud.functions.packages.path(package), (cloud.clock.now() / 1000 - 3601,) * 2)
    monkeypatch.setattr(Pool, "packages", {package})
    cloud.awslambda("DeleteFunction", FunctionName="function")
    asyncio.run(cloud.functions.sweep())
    assert (code / "code.py").exists()
    monkeypatch.setattr(Pool, "packages", set())
    asyncio.run(cloud.functions.sweep())
    assert not code.exists()


def test_packages_that_no_function_needs_are_swept(cloud, tmp_path: Path):
    cloud.function()
    before = cloud.awslambda("GetFunctionConfiguration", FunctionName="function")["CodeSha256"]
    cloud.awslambda("UpdateFunctionCode", FunctionName="function", ZipFile=packed({"code.py": "other"}))
    folder = tmp_path / "functions" / "packages"
    for path in folder.iterdir():
        os.utime(path, (cloud.clock.now() / 1000 - 3601,) * 2)
    asyncio.run(cloud.functions.sweep())
    old = base64.b64decode(before).hex()
    assert [path.stem for path in folder.iterdir()] != [old]
    assert len(list(folder.iterdir())) == 1
