import asyncio
import json
from urllib.parse import unquote

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.iam import Credential

POLICY = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


@pytest.fixture
def ann(cloud):
    return cloud.iam("CreateUser", UserName="Ann", Path="/team/")["User"]


def credential(cloud, key):
    return asyncio.run(cloud.identities.credential(key))


def test_a_user(cloud, ann):
    assert ann["UserId"].startswith("AIDA")
    assert ann["Arn"] == "arn:aws:iam::000000000000:user/team/Ann"
    assert cloud.iam("GetUser", UserName="Ann") == {"User": ann}
    assert cloud.iam("ListUsers")["Users"] == [ann]
    assert cloud.iam("ListGroupsForUser", UserName="Ann")["Groups"] == []
    with refused("EntityAlreadyExistsException", "^User with name ann already exists.$"):
        cloud.iam("CreateUser", UserName="ann")
    with refused("NoSuchEntityException", "^The user with name Bob cannot be found.$"):
        cloud.iam("GetUser", UserName="Bob")


def test_the_caller_is_a_user_too(cloud, ann):
    root = cloud.iam("GetUser")["User"]
    assert (root["UserName"], root["Arn"], root["UserId"]) == ("root", "arn:aws:iam::000000000000:root", "000000000000")
    assert cloud.iam("GetUser", caller=cloud.other(principal=ann["Arn"])) == {"User": ann}
    key = cloud.iam("CreateAccessKey", UserName="Ann")["AccessKey"]["AccessKeyId"]
    assert cloud.iam("GetUser", caller=cloud.other(access_key_id=key)) == {"User": ann}
    assert cloud.iam("ListAccessKeys", caller=cloud.other(access_key_id=key))["AccessKeyMetadata"][0]["AccessKeyId"] == key
    with refused("NoSuchEntityException"):
        cloud.iam("CreateAccessKey")


def test_access_keys(cloud, ann):
    key = cloud.iam("CreateAccessKey", UserName="Ann")["AccessKey"]
    assert (key["UserName"], key["Status"], key["AccessKeyId"][:4], len(key["SecretAccessKey"])) == ("Ann", "Active", "AKIA", 40)
    expected = Credential("000000000000", ann["Arn"], key["SecretAccessKey"], None)
    assert credential(cloud, key["AccessKeyId"]) == expected
    cloud.iam("UpdateAccessKey", UserName="Ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert credential(cloud, key["AccessKeyId"]) is None
    assert cloud.iam("ListAccessKeys", UserName="Ann")["AccessKeyMetadata"][0]["Status"] == "Inactive"
    cloud.iam("CreateAccessKey", UserName="Ann")
    with refused("LimitExceededException", "^Cannot exceed quota for AccessKeysPerUser: 2$"):
        cloud.iam("CreateAccessKey", UserName="Ann")
    with refused("DeleteConflictException", "^Cannot delete entity, must delete access keys first.$"):
        cloud.iam("DeleteUser", UserName="Ann")
    for metadata in cloud.iam("ListAccessKeys", UserName="Ann")["AccessKeyMetadata"]:
        cloud.iam("DeleteAccessKey", UserName="Ann", AccessKeyId=metadata["AccessKeyId"])
    with refused("NoSuchEntityException", f"^The Access Key with id {key['AccessKeyId']} cannot be found.$"):
        cloud.iam("DeleteAccessKey", UserName="Ann", AccessKeyId=key["AccessKeyId"])
    assert credential(cloud, key["AccessKeyId"]) is None
    cloud.iam("DeleteUser", UserName="Ann")


def test_policies_of_a_user(cloud, ann):
    arn = cloud.iam("CreatePolicy", PolicyName="mine", PolicyDocument=POLICY)["Policy"]["Arn"]
    cloud.iam("AttachUserPolicy", UserName="Ann", PolicyArn=arn)
    assert cloud.iam("ListAttachedUserPolicies", UserName="Ann")["AttachedPolicies"] == [{"PolicyName": "mine", "PolicyArn": arn}]
    assert cloud.iam("ListEntitiesForPolicy", PolicyArn=arn)["PolicyUsers"] == [{"UserName": "Ann", "UserId": ann["UserId"]}]
    cloud.iam("PutUserPolicy", UserName="Ann", PolicyName="inline", PolicyDocument=POLICY)
    assert unquote(cloud.iam("GetUserPolicy", UserName="Ann", PolicyName="inline")["PolicyDocument"]) == POLICY
    with refused("DeleteConflictException"):
        cloud.iam("DeleteUser", UserName="Ann")
    cloud.iam("DetachUserPolicy", UserName="Ann", PolicyArn=arn)
    cloud.iam("DeleteUserPolicy", UserName="Ann", PolicyName="inline")
    cloud.iam("TagUser", UserName="Ann", Tags=[{"Key": "a", "Value": "b"}])
    assert cloud.iam("ListUserTags", UserName="Ann")["Tags"] == [{"Key": "a", "Value": "b"}]
    cloud.iam("DeleteUser", UserName="Ann")
