import json
from urllib.parse import unquote

import pytest

from openrek.awsmodel.calls import ServiceError

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "rekognition.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "SNS:Publish", "Resource": "*"}]})
ARN = "arn:aws:iam::000000000000:role/role"


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


@pytest.fixture
def role(cloud):
    return cloud.iam("CreateRole", RoleName="role", AssumeRolePolicyDocument=TRUST)["Role"]


def test_a_role(cloud, role):
    role_id = role.pop("RoleId")
    assert role_id.startswith("AROA")
    assert len(role_id) == 21
    assert unquote(role.pop("AssumeRolePolicyDocument")) == TRUST
    assert role == {"Path": "/", "RoleName": "role", "Arn": ARN, "CreateDate": 1_700_000_000}
    found = cloud.iam("GetRole", RoleName="role")["Role"]
    assert (found["RoleId"], found["MaxSessionDuration"], found["RoleLastUsed"]) == (role_id, 3600, {})


def test_documents_are_percent_encoded(role):
    assert role["AssumeRolePolicyDocument"].startswith("%7B%22Version%22%3A%20%222012-10-17%22")


def test_everything_that_a_role_can_have(cloud):
    tags = [{"Key": "Team", "Value": "a"}]
    cloud.iam(
        "CreateRole",
        RoleName="Full",
        Path="/team/",
        AssumeRolePolicyDocument=TRUST,
        Description="What it is for",
        MaxSessionDuration=7200,
        PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess",
        Tags=tags,
    )
    found = cloud.iam("GetRole", RoleName="Full")["Role"]
    assert found["Arn"] == "arn:aws:iam::000000000000:role/team/Full"
    assert (found["Description"], found["MaxSessionDuration"], found["Tags"]) == ("What it is for", 7200, tags)
    assert found["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/PowerUserAccess",
    }
    cloud.iam("UpdateRole", RoleName="Full", Description="Other", MaxSessionDuration=3600)
    assert cloud.iam("UpdateRoleDescription", RoleName="Full", Description="Third")["Role"]["Description"] == "Third"
    assert cloud.iam("GetRole", RoleName="Full")["Role"]["MaxSessionDuration"] == 3600


def test_names_are_taken_whatever_their_case(cloud, role):
    with refused("EntityAlreadyExistsException", "^Role with name ROLE already exists.$"):
        cloud.iam("CreateRole", RoleName="ROLE", AssumeRolePolicyDocument=TRUST)
    assert cloud.iam("CreateUser", UserName="role")["User"]["Arn"] == "arn:aws:iam::000000000000:user/role"
    assert cloud.iam("CreateRole", caller=cloud.other(account="111111111111"), RoleName="role", AssumeRolePolicyDocument=TRUST)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("GetRole", {}),
        ("DeleteRole", {}),
        ("UpdateRole", {}),
        ("UpdateRoleDescription", {"Description": "x"}),
        ("UpdateAssumeRolePolicy", {"PolicyDocument": TRUST}),
        ("AttachRolePolicy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        ("DetachRolePolicy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        ("ListAttachedRolePolicies", {}),
        ("PutRolePolicy", {"PolicyName": "x", "PolicyDocument": POLICY}),
        ("GetRolePolicy", {"PolicyName": "x"}),
        ("DeleteRolePolicy", {"PolicyName": "x"}),
        ("ListRolePolicies", {}),
        ("ListInstanceProfilesForRole", {}),
        ("TagRole", {"Tags": []}),
        ("UntagRole", {"TagKeys": []}),
        ("ListRoleTags", {}),
    ],
)
def test_a_role_that_is_not_there(cloud, operation, params):
    cloud.iam("CreateRole", caller=cloud.other(account="111111111111"), RoleName="role", AssumeRolePolicyDocument=TRUST)
    with refused("NoSuchEntityException", "^The role with name role cannot be found.$"):
        cloud.iam(operation, RoleName="role", **params)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("text", "^This policy contains invalid Json$"),
        ("[]", "^Syntax errors in policy.$"),
        ("{}", "^Syntax errors in policy.$"),
        ({"Statement": [], "Colour": 1}, "^Syntax errors in policy.$"),
        ({"Version": "2020-01-01", "Statement": []}, "^Policy document must be version 2012-10-17 or greater.$"),
        ({"Statement": ["x"]}, "^Syntax errors in policy.$"),
        ({"Statement": {"Effect": "Maybe", "Action": "sts:AssumeRole", "Principal": "*"}}, "^Syntax errors in policy.$"),
        ({"Statement": {"Effect": "Allow", "Principal": "*"}}, "^Policy statement must contain actions.$"),
        ({"Statement": {"Effect": "Allow", "Action": [1], "Principal": "*"}}, "^Syntax errors in policy.$"),
        ({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}}, "^Missing required field Principal$"),
        (
            {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*"}},
            "^Has prohibited field Resource$",
        ),
        (
            {"Statement": {"Effect": "Allow", "Action": "s3:Get", "Principal": "*"}},
            "^AssumeRole policy may only specify STS AssumeRole actions.$",
        ),
        (
            {"Statement": [{"Sid": "a", "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}] * 2},
            r"^Statement IDs \(SID\) in a single policy must be unique.$",
        ),
    ],
)
def test_trust_policies_that_are_refused(cloud, role, document, message):
    text = document if isinstance(document, str) else json.dumps(document)
    with refused("MalformedPolicyDocumentException", message):
        cloud.iam("CreateRole", RoleName="other", AssumeRolePolicyDocument=text)
    with refused("MalformedPolicyDocumentException", message):
        cloud.iam("UpdateAssumeRolePolicy", RoleName="role", PolicyDocument=text)
    assert unquote(cloud.iam("GetRole", RoleName="role")["Role"]["AssumeRolePolicyDocument"]) == TRUST


def test_another_trust_policy(cloud, role):
    other = TRUST.replace("rekognition", "lambda")
    cloud.iam("UpdateAssumeRolePolicy", RoleName="role", PolicyDocument=other)
    assert unquote(cloud.iam("GetRole", RoleName="role")["Role"]["AssumeRolePolicyDocument"]) == other


def test_attached_policies(cloud, role):
    policy = cloud.iam("CreatePolicy", PolicyName="mine", PolicyDocument=POLICY)["Policy"]["Arn"]
    managed = "arn:aws:iam::aws:policy/service-role/AmazonRekognitionServiceRole"
    for arn in (policy, managed, policy):
        assert cloud.iam("AttachRolePolicy", RoleName="role", PolicyArn=arn) == {}
    listed = cloud.iam("ListAttachedRolePolicies", RoleName="role")
    assert listed["AttachedPolicies"] == [
        {"PolicyName": "AmazonRekognitionServiceRole", "PolicyArn": managed},
        {"PolicyName": "mine", "PolicyArn": policy},
    ]
    assert (
        cloud.iam("ListAttachedRolePolicies", RoleName="role", PathPrefix="/service-role/")["AttachedPolicies"]
        == listed["AttachedPolicies"][:1]
    )
    assert cloud.iam("GetPolicy", PolicyArn=policy)["Policy"]["AttachmentCount"] == 1
    entities = cloud.iam("ListEntitiesForPolicy", PolicyArn=policy)
    assert entities["PolicyRoles"] == [{"RoleName": "role", "RoleId": role["RoleId"]}]
    assert cloud.iam("ListEntitiesForPolicy", PolicyArn=policy, EntityFilter="User")["PolicyRoles"] == []
    with refused("DeleteConflictException", "^Cannot delete a policy attached to entities.$"):
        cloud.iam("DeletePolicy", PolicyArn=policy)
    with refused("DeleteConflictException", "^Cannot delete entity, must detach all policies first.$"):
        cloud.iam("DeleteRole", RoleName="role")
    for arn in (policy, managed):
        cloud.iam("DetachRolePolicy", RoleName="role", PolicyArn=arn)
    with refused("NoSuchEntityException", f"^Policy {policy} was not found.$"):
        cloud.iam("DetachRolePolicy", RoleName="role", PolicyArn=policy)
    cloud.iam("DeletePolicy", PolicyArn=policy)
    cloud.iam("DeleteRole", RoleName="role")


def test_policies_that_cannot_be_attached(cloud, role):
    with refused("NoSuchEntityException", "^Policy arn:aws:iam::000000000000:policy/none does not exist or is not attachable.$"):
        cloud.iam("AttachRolePolicy", RoleName="role", PolicyArn="arn:aws:iam::000000000000:policy/none")
    with refused("ValidationError", "^Invalid ARN:  Could not be parsed!$"):
        cloud.iam("AttachRolePolicy", RoleName="role", PolicyArn="ReadOnlyAccess-policy")
    for number in range(20):
        cloud.iam("AttachRolePolicy", RoleName="role", PolicyArn=f"arn:aws:iam::aws:policy/P{number}")
    with refused("LimitExceededException", "^Cannot exceed quota for PoliciesPerRole: 20$"):
        cloud.iam("AttachRolePolicy", RoleName="role", PolicyArn="arn:aws:iam::aws:policy/P20")


def test_inline_policies(cloud, role):
    for _ in range(2):
        cloud.iam("PutRolePolicy", RoleName="role", PolicyName="inline", PolicyDocument=POLICY)
    found = cloud.iam("GetRolePolicy", RoleName="role", PolicyName="inline")
    assert (found["RoleName"], found["PolicyName"], unquote(found["PolicyDocument"])) == ("role", "inline", POLICY)
    assert cloud.iam("ListRolePolicies", RoleName="role") == {"PolicyNames": ["inline"], "IsTruncated": False}
    with refused("DeleteConflictException", "^Cannot delete entity, must delete policies first.$"):
        cloud.iam("DeleteRole", RoleName="role")
    cloud.iam("DeleteRolePolicy", RoleName="role", PolicyName="inline")
    for operation in ("GetRolePolicy", "DeleteRolePolicy"):
        with refused("NoSuchEntityException", "^The role policy with name inline cannot be found.$"):
            cloud.iam(operation, RoleName="role", PolicyName="inline")
    with refused("MalformedPolicyDocumentException"):
        cloud.iam("PutRolePolicy", RoleName="role", PolicyName="inline", PolicyDocument=TRUST)
    with refused("LimitExceededException"):
        cloud.iam("PutRolePolicy", RoleName="role", PolicyName="inline", PolicyDocument=POLICY.replace("SNS:", "SNS:" + "x" * 10_240))
    assert cloud.iam("ListInstanceProfilesForRole", RoleName="role") == {"InstanceProfiles": [], "IsTruncated": False}
    cloud.iam("DeleteRole", RoleName="role")
    assert cloud.iam("ListRoles")["Roles"] == []


def test_listing_roles(cloud):
    for number in range(5):
        path = "/even/" if number % 2 == 0 else "/"
        cloud.iam("CreateRole", RoleName=f"role-{number}", Path=path, AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "a", "Value": "b"}])
    first = cloud.iam("ListRoles", MaxItems=3)
    assert first["IsTruncated"] is True
    second = cloud.iam("ListRoles", MaxItems=3, Marker=first["Marker"])
    assert (second["IsTruncated"], "Marker" in second) == (False, False)
    found = first["Roles"] + second["Roles"]
    assert [one["RoleName"] for one in found] == [f"role-{number}" for number in range(5)]
    assert all("Tags" not in one and one["MaxSessionDuration"] == 3600 for one in found)
    assert [one["RoleName"] for one in cloud.iam("ListRoles", PathPrefix="/even/")["Roles"]] == ["role-0", "role-2", "role-4"]
    with refused("ValidationError"):
        cloud.iam("ListRoles", Marker="ü")


def test_tags(cloud, role):
    cloud.iam("TagRole", RoleName="role", Tags=[{"Key": "Team", "Value": "a"}, {"Key": "b", "Value": ""}])
    cloud.iam("TagRole", RoleName="role", Tags=[{"Key": "team", "Value": "c"}])
    cloud.iam("UntagRole", RoleName="role", TagKeys=["B"])
    assert cloud.iam("ListRoleTags", RoleName="role") == {"Tags": [{"Key": "team", "Value": "c"}], "IsTruncated": False}
    with refused("InvalidInputException", "^Duplicate tag keys found. Please note that Tag keys are case insensitive.$"):
        cloud.iam("TagRole", RoleName="role", Tags=[{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}])
    with refused("LimitExceededException"):
        cloud.iam("TagRole", RoleName="role", Tags=[{"Key": str(number), "Value": ""} for number in range(50)])
