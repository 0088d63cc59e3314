import json

import pytest

from openrek.localaws.sns.filters import FilterPolicyError, check, passes


def attribute(value, kind=None):
    if kind is None:
        kind = "Number" if isinstance(value, int | float) else "String.Array" if isinstance(value, list) else "String"
    text = json.dumps(value) if isinstance(value, list | int | float) else value
    return {"DataType": kind, "StringValue": text}


def by_attributes(policy, **values):
    text = json.dumps(policy)
    check(text, "MessageAttributes")
    return passes(text, "MessageAttributes", "", {name: attribute(value) for name, value in values.items()})


def by_body(policy, body):
    text = json.dumps(policy)
    check(text, "MessageBody")
    return passes(text, "MessageBody", body if isinstance(body, str) else json.dumps(body), {})


@pytest.mark.parametrize(
    ("conditions", "passing", "failing"),
    [
        (["a", "b"], ["a", "b", ["x", "b"]], ["c", "A", 1, ["c"], []]),
        ([100, 1.5], [100, 100.0, 1.5, [1.5]], [101, "100", "1.5", ["100"]]),
        ([True, None], [[True], [None]], [1, "true", "null", [False]]),
        ([{"prefix": "ab"}], ["ab", "abc"], ["a", "cab", 1]),
        ([{"suffix": "yz"}], ["yz", "xyz"], ["y", "yza"]),
        ([{"equals-ignore-case": "aBc"}], ["abc", "ABC"], ["ab"]),
        ([{"anything-but": "a"}], ["b", 1, ["a", "b"]], ["a", ["a"]]),
        ([{"anything-but": ["a", 1]}], ["b", 2], ["a", 1, ["a", 1]]),
        ([{"anything-but": {"prefix": "a"}}], ["ba"], ["ab", "a"]),
        ([{"numeric": ["=", 1.5]}], [1.5], [1, "1.5"]),
        ([{"numeric": [">", 0, "<=", 100]}], [0.1, 100, [200, 50]], [0, 100.5, -1]),
        ([{"numeric": [">=", 0, "<", 10]}], [0, 9.9], [10, -0.1]),
        ([{"numeric": ["<", 0]}], [-1], [0, 1]),
        ([{"cidr": "10.0.0.0/24"}], ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "text", "2001:db8::1"]),
        ([{"cidr": "2001:db8:1234:1a00::/64"}], ["2001:db8:1234:1a00::1"], ["2001:db8:1234:1b00::1"]),
        (["a", {"prefix": "b"}], ["a", "bc"], ["c"]),
    ],
)
def test_conditions(conditions, passing, failing):
    for value in passing:
        assert by_attributes({"key": conditions}, key=value), value
        assert by_body({"key": conditions}, {"key": value}), value
    for value in failing:
        assert not by_attributes({"key": conditions}, key=value), value
        assert not by_body({"key": conditions}, {"key": value}), value
    assert not by_attributes({"key": conditions})
    assert not by_body({"key": conditions}, {"other": "a"})


def test_existence():
    for filtered in (by_attributes, lambda policy, **values: by_body(policy, values)):
        assert filtered({"key": [{"exists": True}]}, key="a")
        assert not filtered({"key": [{"exists": True}]}, other="a")
        assert filtered({"key": [{"exists": False}]}, other="a")
        assert not filtered({"key": [{"exists": False}]}, key="a")
    assert by_body({"key": [{"exists": True}]}, {"key": None})
    assert not by_body({"key": [{"exists": True}]}, {"key": []})
    assert not by_body({"key": [{"exists": True}]}, {"key": {"below": 1}})
    assert by_body({"a": {"b": [{"exists": False}]}}, {"c": 1})
    assert not by_body({"a": {"b": [{"exists": False}]}}, {"a": {"b": 1}})


def test_every_name_must_be_satisfied():
    policy = {"a": ["1"], "b": ["2"]}
    assert by_attributes(policy, a="1", b="2", c="3")
    assert not by_attributes(policy, a="1", b="3")
    assert not by_attributes(policy, a="1")


def test_alternatives():
    policy = {"$or": [{"a": ["1"]}, {"b": ["2"]}], "c": ["3"]}
    assert by_attributes(policy, a="1", c="3")
    assert by_attributes(policy, b="2", c="3")
    assert not by_attributes(policy, c="3")
    assert not by_attributes(policy, a="1", b="2")


def test_bytes_are_not_looked_at():
    attributes = {"key": {"DataType": "Binary", "BinaryValue": b"a"}}
    assert not passes('{"key": ["a"]}', "MessageAttributes", "", attributes)
    assert passes('{"key": [{"exists": false}]}', "MessageAttributes", "", attributes)


def test_an_empty_policy_passes_everything():
    assert by_attributes({}, a="1")
    assert by_body({}, "not JSON")


@pytest.mark.parametrize("body", ["text", "[]", '"a"', "1", "null", ""])
def test_a_body_that_is_no_object_passes_nothing(body):
    assert not by_body({"a": [{"exists": False}]}, body)


def test_nested_bodies():
    policy = {
        "detail": {"scope": ["Service"], "$or": [{"source": ["aws.cloudwatch"]}, {"type": ["Change"]}]},
        "$or": [{"m": ["CPU"]}, {"n": ["EC2"]}],
    }
    for passing in (
        {"m": "CPU", "detail": {"scope": "Service", "source": "aws.cloudwatch"}},
        {"n": "EC2", "detail": {"scope": "Service", "type": "Change"}},
    ):
        assert by_body(policy, passing)
    for failing in (
        {"m": "CPU", "detail": {"scope": "aws.cloudwatch", "type": "Change"}},
        {"m": "CPU", "detail": {"scope": "Service", "type": "CPU"}},
        {"m": "CPU", "detail": {"type": "Change"}},
        {"m": "CPU", "scope": "Service"},
        {"m": "EC2", "detail": {"scope": "Service", "type": "Change"}},
        {"n": "CPU", "detail": {"scope": "Service", "type": "Change"}},
    ):
        assert not by_body(policy, failing)


def test_arrays_of_objects_match_within_one_element():
    policy = {"Records": {"s3": {"object": {"key": [{"prefix": "auto-"}]}}, "eventName": [{"prefix": "ObjectCreated:"}]}}

    def record(key, event):
        return {"s3": {"object": [[{"key": key}]]}, "eventName": event}

    created, removed, home = (
        record("auto-1", "ObjectCreated:Put"),
        record("auto-1", "ObjectRemoved:Delete"),
        record("home-1", "ObjectCreated:Put"),
    )
    assert by_body(policy, {"Records": [created]})
    assert by_body(policy, {"Records": [removed, created]})
    assert by_body(policy, {"Records": created})
    assert not by_body(policy, {"Records": [removed]})
    assert not by_body(policy, {"Records": [removed, home]})
    assert not by_body(policy, {"Records": []})


@pytest.mark.parametrize(
    "body",
    [
        {"object": {"nested": {"test": "v"}}},
        {"object.nested.test": "v"},
        {"object.nested": {"test": "v"}},
        {"object": {"nested.test": "v"}},
        {"object": {"nested": {"other": 1}}, "object.nested.test": "v"},
    ],
)
def test_dots_in_names_are_levels(body):
    for policy in ({"object.nested.test": ["v"]}, {"object": {"nested": {"test": ["v"]}}}, {"object": {"nested.test": ["v"]}}):
        assert by_body(policy, body)
        assert not by_body(policy, json.loads(json.dumps(body).replace('"v"', '"w"')))


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("{", "FilterPolicy: failed to parse JSON."),
        ("[]", "FilterPolicy: Filter is not an object"),
        ({"key": "value"}, 'FilterPolicy: "key" must be an object or an array'),
        ({"key": []}, "FilterPolicy: Empty arrays are not allowed"),
        ({"key": [["value"]]}, "FilterPolicy: Match value must be String, number, true, false, or null"),
        ({"key": [{"wrong-operator": True}]}, "FilterPolicy: Unrecognized match type wrong-operator"),
        ({"key": [{"suffix": "a", "prefix": "b"}]}, "FilterPolicy: Only one key allowed in match expression"),
        ({"key": [{"suffix": 100}]}, "FilterPolicy: suffix match pattern must be a string"),
        ({"key": [{"prefix": None}]}, "FilterPolicy: prefix match pattern must be a string"),
        ({"key": [{"cidr": ["x"]}]}, "FilterPolicy: prefix match pattern must be a string"),
        ({"key": [{"cidr": "x"}]}, "FilterPolicy: Malformed CIDR, one '/' required"),
        ({"key": [{"cidr": "x/64"}]}, "FilterPolicy: Nonstandard IP address: x"),
        ({"key": [{"cidr": "10.0.0.0/x"}]}, "FilterPolicy: Malformed CIDR, mask bits must be an integer"),
        ({"key": [{"exists": "no"}]}, "FilterPolicy: exists match pattern must be either true or false."),
        ({"key": [{"anything-but": {"suffix": "x"}}]}, "FilterPolicy: Unsupported anything-but pattern: suffix"),
        ({"key": [{"anything-but": {"prefix": False}}]}, "FilterPolicy: prefix match pattern must be a string"),
        ({"key": [{"numeric": []}]}, "FilterPolicy: Invalid member in numeric match: ]"),
        ({"key": [{"numeric": ["operator"]}]}, "FilterPolicy: Unrecognized numeric range operator: operator"),
        ({"key": [{"numeric": [1, "<="]}]}, "FilterPolicy: Invalid member in numeric match: 1"),
        ({"key": [{"numeric": ["=", "000"]}]}, "FilterPolicy: Value of equals must be numeric"),
        ({"key": [{"numeric": [">="]}]}, "FilterPolicy: Value of >= must be numeric"),
        ({"key": [{"numeric": ["<", 100, ">", 10]}]}, "FilterPolicy: Too many elements in numeric expression"),
        ({"key": [{"numeric": [">=", 1, ">", 2]}]}, "FilterPolicy: Bad numeric range operator: >"),
        ({"key": [{"numeric": [">", 3, "<", 1]}]}, "FilterPolicy: Bottom must be less than top"),
        ({"key": [{"numeric": [">", 20, "<="]}]}, "FilterPolicy: Value of <= must be numeric"),
        ({"key": [{"numeric": [">", 20, 30]}]}, "FilterPolicy: Bad value in numeric range: 30"),
        ({"key": [{"numeric": [">", 20, "test"]}]}, "FilterPolicy: Bad numeric range operator: test"),
        ({"key": [{"numeric": [">", "20", "<", "30"]}]}, "FilterPolicy: Value of > must be numeric"),
        ({"key": [{"numeric": [">", 20, "<", 30, "<", 50]}]}, "FilterPolicy: Too many terms in numeric range expression"),
        ({str(number): ["x"] for number in range(6)}, "FilterPolicy: Filter policy can not have more than 5 keys"),
        ({"a": list("abcdefghijklm"), "b": list("abcdefghijkl")}, "FilterPolicy: Filter policy is too complex"),
        ({"a": {"b": {"c": list("abcdefgh")}}, "d": {"e": list("abcd")}}, "FilterPolicy: Filter policy is too complex"),
    ],
)
def test_policies_that_are_refused(policy, message):
    with pytest.raises(FilterPolicyError) as refusal:
        check(policy if isinstance(policy, str) else json.dumps(policy), "MessageBody")
    assert str(refusal.value) == message


def test_policies_on_attributes_do_not_nest():
    with pytest.raises(FilterPolicyError, match=r"^Filter policy scope MessageAttributes does not support nested filter policy$"):
        check('{"a": {"b": ["c"]}}', "MessageAttributes")


def test_a_policy_may_be_as_complex_as_150():
    # Four conditions three levels down, three two levels down: 4 x 3 x 3 x 2 = 72.
    check(json.dumps({"key_a": {"key_b": {"key_c": list("abcd")}}, "key_d": {"key_e": list("abc")}}), "MessageBody")
    check(json.dumps({"a": list("abcdefghij"), "b": list("abcdefghijklmno")}), "MessageBody")


def test_a_subscription_gets_what_passes_its_filter(cloud):
    topic, colours, bodies = cloud.topic(), cloud.queue("colours"), cloud.queue("bodies")
    cloud.subscribe(topic, colours, FilterPolicy='{"colour": ["red"]}', RawMessageDelivery="true")
    cloud.subscribe(topic, bodies, FilterPolicy='{"a": {"b": [1]}}', FilterPolicyScope="MessageBody", RawMessageDelivery="true")
    red = {"colour": {"DataType": "String", "StringValue": "red"}}
    blue = {"colour": {"DataType": "String", "StringValue": "blue"}}
    cloud.sns("Publish", TopicArn=topic, Message="red", MessageAttributes=red)
    cloud.sns("Publish", TopicArn=topic, Message="blue", MessageAttributes=blue)
    entries = [
        {"Id": "a", "Message": '{"a": {"b": 1}}', "MessageAttributes": blue},
        {"Id": "b", "Message": '{"a": {"b": 2}}', "MessageAttributes": red},
    ]
    cloud.sns("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    assert cloud.bodies(colours) == ["red", '{"a": {"b": 2}}']
    assert cloud.bodies(bodies) == ['{"a": {"b": 1}}']
