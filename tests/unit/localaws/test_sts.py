import asyncio
import json

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.iam import Credential

TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}}
)
ARN = "arn:aws:iam::000000000000:role/team/role"


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


@pytest.fixture
def role(cloud):
    return cloud.iam("CreateRole", RoleName="role", Path="/team/", AssumeRolePolicyDocument=TRUST)["Role"]


def credential(cloud, key):
    return asyncio.run(cloud.identities.credential(key))


def test_who_is_calling(cloud):
    assert cloud.sts("GetCallerIdentity") == {
        "UserId": "000000000000",
        "Account": "000000000000",
        "Arn": "arn:aws:iam::000000000000:root",
    }
    user = cloud.iam("CreateUser", UserName="Ann")["User"]
    key = cloud.iam("CreateAccessKey", UserName="Ann")["AccessKey"]["AccessKeyId"]
    expected = {"UserId": user["UserId"], "Account": "000000000000", "Arn": user["Arn"]}
    assert cloud.sts("GetCallerIdentity", caller=cloud.other(access_key_id=key)) == expected
    assert cloud.sts("GetCallerIdentity", caller=cloud.other(principal=user["Arn"])) == expected


def test_taking_a_role(cloud, role):
    answer = cloud.sts("AssumeRole", RoleArn=ARN, RoleSessionName="session", SourceIdentity="me")
    credentials = answer.pop("Credentials")
    assumed = "arn:aws:sts::000000000000:assumed-role/role/session"
    assert answer == {
        "AssumedRoleUser": {"Arn": assumed, "AssumedRoleId": f"{role['RoleId']}:session"},
        "SourceIdentity": "me",
    }
    key = credentials["AccessKeyId"]
    assert key.startswith("ASIA")
    assert len(key) == 20
    assert credentials["Expiration"] == 1_700_000_000 + 3600
    assert credential(cloud, key) == Credential("000000000000", assumed, credentials["SecretAccessKey"], credentials["SessionToken"])
    taken = cloud.other(access_key_id=key)
    assert cloud.sts("GetCallerIdentity", caller=taken) == {
        "UserId": f"{role['RoleId']}:session",
        "Account": "000000000000",
        "Arn": assumed,
    }
    assert cloud.sts("GetAccessKeyInfo", AccessKeyId=key) == {"Account": "000000000000"}
    with refused("AccessDenied", "^Cannot call GetSessionToken with session credentials$"):
        cloud.sts("GetSessionToken", caller=taken)


def test_a_session_ends(cloud, role):
    key = cloud.sts("AssumeRole", RoleArn=ARN, RoleSessionName="session", DurationSeconds=900)["Credentials"]["AccessKeyId"]
    cloud.clock.advance(milliseconds=899_999)
    asyncio.run(cloud.identities.sweep())
    assert credential(cloud, key) is not None
    cloud.clock.advance(milliseconds=1)
    assert credential(cloud, key) is None
    asyncio.run(cloud.identities.sweep())
    assert cloud.sts("GetCallerIdentity", caller=cloud.other(access_key_id=key))["Arn"] == "arn:aws:iam::000000000000:root"


def test_a_session_is_as_long_as_its_role_allows(cloud, role):
    with refused("ValidationError", "^The requested DurationSeconds exceeds the MaxSessionDuration set for this role.$"):
        cloud.sts("AssumeRole", RoleArn=ARN, RoleSessionName="session", DurationSeconds=3601)
    cloud.iam("UpdateRole", RoleName="role", MaxSessionDuration=43_200)
    assert cloud.sts("AssumeRole", RoleArn=ARN, RoleSessionName="session", DurationSeconds=43_200)


@pytest.mark.parametrize("arn", [ARN + "s", ARN.replace("/team", ""), ARN.replace("000000000000", "111111111111")])
def test_roles_that_cannot_be_taken(cloud, role, arn):
    message = f"^User: arn:aws:iam::000000000000:root is not authorized to perform: sts:AssumeRole on resource: {arn}$"
    with refused("AccessDenied", message):
        cloud.sts("AssumeRole", RoleArn=arn, RoleSessionName="session")


@pytest.mark.parametrize("arn", ["nothing-valid-in-here", "arn:aws:iam::000000000000:role/", "arn:aws:iam:role:something-else"])
def test_what_is_no_arn(cloud, arn):
    with refused("ValidationError", f"^{arn} is invalid$"):
        cloud.sts("AssumeRole", RoleArn=arn, RoleSessionName="session")


def test_a_session_of_the_caller_itself(cloud):
    user = cloud.iam("CreateUser", UserName="Ann")["User"]
    key = cloud.iam("CreateAccessKey", UserName="Ann")["AccessKey"]["AccessKeyId"]
    credentials = cloud.sts("GetSessionToken", caller=cloud.other(access_key_id=key), DurationSeconds=900)["Credentials"]
    assert credentials["Expiration"] == 1_700_000_000 + 900
    again = cloud.other(access_key_id=credentials["AccessKeyId"])
    assert cloud.sts("GetCallerIdentity", caller=again)["Arn"] == user["Arn"]
    with refused("AccessDenied"):
        cloud.sts("GetSessionToken", caller=again)
    assert cloud.sts("GetSessionToken")["Credentials"]["Expiration"] == 1_700_000_000 + 43_200


def test_a_foreign_key_is_taken_for_the_callers_own(cloud):
    assert cloud.sts("GetAccessKeyInfo", AccessKeyId="AKIAIOSFODNN7EXAMPLE") == {"Account": "000000000000"}
