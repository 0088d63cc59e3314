"""What AWS's services do and their models do not say: names of general errors, legacy codes, names of root elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one service speaks of what goes wrong before an operation is reached.

    Attributes
    ----------
    internal
        Code of a failure that is ours.
    malformed
        Code of a body that cannot be read.
    invalid_value
        Code of a value outside the body (header, query, URI) that cannot be read.
    unknown_operation, unknown_status
        Code and status of an operation that does not exist or is not there yet.
    validation
        Code of a broken constraint of the model; None if the operations judge their values themselves.
    missing
        Code of a missing member where the operations judge their values themselves.
    namespace
        Stands before an error's name in `__type`.
    legacy_codes
        Codes of the query protocol that the service spoke before, by error name.
    roots
        Root elements of replies, by operation, where they are not named like the output's shape.
    """

    internal: str = "InternalFailure"
    malformed: str = "SerializationException"
    invalid_value: str = "SerializationException"
    unknown_operation: str = "UnknownOperationException"
    unknown_status: int = 400
    validation: str | None = "ValidationException"
    missing: str = ""
    namespace: str = ""
    legacy_codes: Mapping[str, str] = field(default_factory=dict)
    roots: Mapping[str, str] = field(default_factory=dict)

    def malformed_message(self, reason: str) -> str:
        """What the caller reads when its body cannot be read."""
        if self.malformed == "MalformedXML":
            return "The XML you provided was not well-formed or did not validate against our published schema"
        return reason


_SQS_LEGACY_CODES = {
    name: f"AWS.SimpleQueueService.{name}"
    for name in (
        "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong",
        "EmptyBatchRequest",
        "InvalidBatchEntryId",
        "MessageNotInflight",
        "PurgeQueueInProgress",
        "QueueDeletedRecently",
        "TooManyEntriesInBatchRequest",
        "UnsupportedOperation",
    )
} | {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "KmsAccessDenied": "KMS.AccessDeniedException",
    "KmsDisabled": "KMS.DisabledException",
    "KmsInvalidKeyUsage": "KMS.InvalidKeyUsageException",
    "KmsInvalidState": "KMS.InvalidStateException",
    "KmsNotFound": "KMS.NotFoundException",
    "KmsOptInRequired": "KMS.OptInRequired",
    "KmsThrottled": "KMS.ThrottlingException",
    "MissingRequiredParameterException": "MissingParameter",
    "InvalidParameterValueException": "InvalidParameterValue",
    "AccessDeniedException": "AccessDenied",
}

_S3_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketTagging": "Tagging",
    "GetObjectTagging": "Tagging",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}

_QUERY = Dialect(
    malformed="MalformedInput",
    invalid_value="MalformedInput",
    unknown_operation="InvalidAction",
    validation="ValidationError",
)

_DIALECTS = {
    "rekognition": Dialect(internal="InternalServerError"),
    "sqs": Dialect(
        validation=None,
        missing="MissingRequiredParameterException",
        namespace="com.amazonaws.sqs#",
        legacy_codes=_SQS_LEGACY_CODES,
    ),
    "s3": Dialect(
        internal="InternalError",
        malformed="MalformedXML",
        invalid_value="InvalidArgument",
        unknown_operation="NotImplemented",
        unknown_status=501,
        validation=None,
        missing="InvalidRequest",
        roots=_S3_ROOTS,
    ),
    "lambda": Dialect(
        internal="ServiceException",
        malformed="InvalidRequestContentException",
        invalid_value="InvalidParameterValueException",
        unknown_status=404,
    ),
    "logs": Dialect(internal="InternalServerException", validation="InvalidParameterException"),
}


def dialect_of(service: str, protocol: str) -> Dialect:
    """The dialect of a service by name; of its protocol where the service has none of its own."""
    return _DIALECTS.get(service) or (_QUERY if protocol == "query" else Dialect())
