import json
from urllib.parse import unquote

import pytest

from openrek.awsmodel.calls import ServiceError

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "SNS:Publish", "Resource": "*"}]})
ARN = "arn:aws:iam::000000000000:policy/mine"
SERVICE_ROLE = "arn:aws:iam::aws:policy/service-role/AmazonRekognitionServiceRole"


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


@pytest.fixture
def policy(cloud):
    return cloud.iam("CreatePolicy", PolicyName="mine", PolicyDocument=POLICY, Description="What for")["Policy"]


def test_a_policy(cloud, policy):
    expected = {
        "PolicyName": "mine",
        "Arn": ARN,
        "Path": "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": 1_700_000_000,
        "UpdateDate": 1_700_000_000,
    }
    policy_id = policy.pop("PolicyId")
    assert policy_id.startswith("ANPA")
    assert policy == expected
    assert cloud.iam("GetPolicy", PolicyArn=ARN) == {"Policy": {**expected, "PolicyId": policy_id, "Description": "What for"}}
    version = cloud.iam("GetPolicyVersion", PolicyArn=ARN, VersionId="v1")["PolicyVersion"]
    assert unquote(version.pop("Document")) == POLICY
    assert version == {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": 1_700_000_000}


def test_names_are_taken_whatever_their_case(cloud, policy):
    with refused("EntityAlreadyExistsException", "^A policy called MINE already exists. Duplicate names are not allowed.$"):
        cloud.iam("CreatePolicy", PolicyName="MINE", PolicyDocument=POLICY)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("text", "^This policy contains invalid Json$"),
        ({"Statement": {"Effect": "Allow", "Action": "*"}}, "^Policy statement must contain resources.$"),
        ({"Statement": {"Effect": "Allow", "Resource": "*"}}, "^Policy statement must contain actions.$"),
        (
            {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}},
            "^Policy document should not specify a principal.$",
        ),
        ({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": []}}, "^Syntax errors in policy.$"),
    ],
)
def test_documents_that_are_refused(cloud, policy, document, message):
    text = document if isinstance(document, str) else json.dumps(document)
    with refused("MalformedPolicyDocumentException", message):
        cloud.iam("CreatePolicy", PolicyName="other", PolicyDocument=text)
    with refused("MalformedPolicyDocumentException", message):
        cloud.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=text)


def test_a_policy_has_its_size(cloud):
    with refused("LimitExceededException", "^Cannot exceed quota for PolicySize: 6144$"):
        cloud.iam("CreatePolicy", PolicyName="large", PolicyDocument=POLICY.replace("SNS:", "SNS:" + "x" * 6144))
    assert cloud.iam("CreatePolicy", PolicyName="spaces", PolicyDocument=POLICY + " " * 10_000)


def test_versions(cloud, policy):
    cloud.clock.advance(seconds=5)
    second = cloud.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=POLICY)["PolicyVersion"]
    assert second == {"VersionId": "v2", "IsDefaultVersion": False, "CreateDate": 1_700_000_005}
    cloud.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=POLICY, SetAsDefault=True)
    found = cloud.iam("GetPolicy", PolicyArn=ARN)["Policy"]
    assert (found["DefaultVersionId"], found["UpdateDate"]) == ("v3", 1_700_000_005)
    versions = cloud.iam("ListPolicyVersions", PolicyArn=ARN)["Versions"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in versions] == [("v3", True), ("v2", False), ("v1", False)]
    with refused("DeleteConflictException", "^This policy has more than one version."):
        cloud.iam("DeletePolicy", PolicyArn=ARN)
    with refused("DeleteConflictException", "^Cannot delete the default version of a policy.$"):
        cloud.iam("DeletePolicyVersion", PolicyArn=ARN, VersionId="v3")
    cloud.iam("SetDefaultPolicyVersion", PolicyArn=ARN, VersionId="v1")
    for version in ("v2", "v3"):
        cloud.iam("DeletePolicyVersion", PolicyArn=ARN, VersionId=version)
    assert cloud.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=POLICY)["PolicyVersion"]["VersionId"] == "v4"
    for wrong in ("v2", "v99", "v1x"):
        with refused("NoSuchEntityException", f"version {wrong} does not exist"):
            cloud.iam("GetPolicyVersion", PolicyArn=ARN, VersionId=wrong)
    for _ in range(3):
        cloud.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=POLICY)
    with refused("LimitExceededException", "^A managed policy can have up to 5 versions."):
        cloud.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=POLICY)


@pytest.mark.parametrize("operation", ["GetPolicy", "DeletePolicy", "ListPolicyVersions", "ListPolicyTags", "ListEntitiesForPolicy"])
def test_a_policy_that_is_not_there(cloud, policy, operation):
    with refused("NoSuchEntityException", "^Policy arn:aws:iam::000000000000:policy/none was not found.$"):
        cloud.iam(operation, PolicyArn="arn:aws:iam::000000000000:policy/none")
    with refused("NoSuchEntityException"):
        cloud.iam(operation, caller=cloud.other(account="111111111111"), PolicyArn=ARN)
    with refused("ValidationError", "is not valid.$"):
        cloud.iam(operation, PolicyArn="something-without-colons")


def test_policies_of_aws(cloud):
    found = cloud.iam("GetPolicy", PolicyArn=SERVICE_ROLE)["Policy"]
    assert (found["PolicyName"], found["Path"], found["DefaultVersionId"]) == ("AmazonRekognitionServiceRole", "/service-role/", "v1")
    document = json.loads(unquote(cloud.iam("GetPolicyVersion", PolicyArn=SERVICE_ROLE, VersionId="v1")["PolicyVersion"]["Document"]))
    assert document["Statement"][0]["Action"] == ["sns:Publish"]
    unknown = "arn:aws:iam::aws:policy/job-function/Billing"
    assert cloud.iam("GetPolicy", PolicyArn=unknown)["Policy"]["PolicyName"] == "Billing"
    with refused("NoSuchEntityException", "not known here"):
        cloud.iam("GetPolicyVersion", PolicyArn=unknown, VersionId="v1")
    with refused("NoSuchEntityException"):
        cloud.iam("DeletePolicy", PolicyArn=SERVICE_ROLE)


def test_listing_policies(cloud, policy):
    cloud.iam("CreatePolicy", PolicyName="other", Path="/team/", PolicyDocument=POLICY)
    assert [one["PolicyName"] for one in cloud.iam("ListPolicies", Scope="Local")["Policies"]] == ["mine", "other"]
    assert [one["PolicyName"] for one in cloud.iam("ListPolicies", PathPrefix="/team/")["Policies"]] == ["other"]
    theirs = [one["Arn"] for one in cloud.iam("ListPolicies", Scope="AWS")["Policies"]]
    assert SERVICE_ROLE in theirs
    assert len(cloud.iam("ListPolicies")["Policies"]) == len(theirs) + 2
    cloud.iam("CreateUser", UserName="ann")
    for arn in (ARN, SERVICE_ROLE):
        cloud.iam("AttachUserPolicy", UserName="ann", PolicyArn=arn)
    attached = cloud.iam("ListPolicies", OnlyAttached=True)["Policies"]
    assert [(one["Arn"], one["AttachmentCount"]) for one in attached] == [(SERVICE_ROLE, 1), (ARN, 1)]
    assert cloud.iam("ListPolicies", caller=cloud.other(account="111111111111"), OnlyAttached=True)["Policies"] == []


def test_tags(cloud, policy):
    cloud.iam("TagPolicy", PolicyArn=ARN, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    cloud.iam("UntagPolicy", PolicyArn=ARN, TagKeys=["a"])
    assert cloud.iam("ListPolicyTags", PolicyArn=ARN)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert cloud.iam("GetPolicy", PolicyArn=ARN)["Policy"]["Tags"] == [{"Key": "b", "Value": "2"}]
