"""The operations of the embedded S3, by name."""

from __future__ import annotations

import errno
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from openrek.awsmodel.calls import Caller, Operation, Params, ServiceError
from openrek.localaws.s3 import acls, buckets, deleting, multipart, object_listing, reading, tagging, upload_listing, writing
from openrek.localaws.s3.documents import document_operations
from openrek.localaws.s3.errors import disk_full, other_file_system
from openrek.localaws.s3.storage import Storage

_HANDLERS: dict[str, Callable[[Storage, Caller, Params], Params | Awaitable[Params]]] = {
    "AbortMultipartUpload": multipart.abort_multipart_upload,
    "CompleteMultipartUpload": multipart.complete_multipart_upload,
    "CopyObject": writing.copy_object,
    "CreateBucket": buckets.create_bucket,
    "CreateMultipartUpload": multipart.create_multipart_upload,
    "DeleteBucket": buckets.delete_bucket,
    "DeleteObject": deleting.delete_object,
    "DeleteObjectTagging": tagging.delete_object_tagging,
    "DeleteObjects": deleting.delete_objects,
    "GetBucketAcl": acls.get_bucket_acl,
    "GetBucketLocation": buckets.get_bucket_location,
    "GetBucketVersioning": buckets.get_bucket_versioning,
    "GetObject": reading.get_object,
    "GetObjectAcl": acls.get_object_acl,
    "GetObjectAttributes": reading.get_object_attributes,
    "GetObjectTagging": tagging.get_object_tagging,
    "HeadBucket": buckets.head_bucket,
    "HeadObject": reading.head_object,
    "ListBuckets": buckets.list_buckets,
    "ListMultipartUploads": upload_listing.list_multipart_uploads,
    "ListObjectVersions": object_listing.list_object_versions,
    "ListObjects": object_listing.list_objects,
    "ListObjectsV2": object_listing.list_objects_v2,
    "ListParts": upload_listing.list_parts,
    "PutBucketAcl": acls.put_bucket_acl,
    "PutBucketVersioning": buckets.put_bucket_versioning,
    "PutObject": writing.put_object,
    "PutObjectAcl": acls.put_object_acl,
    "PutObjectTagging": tagging.put_object_tagging,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": multipart.upload_part_copy,
}


def s3_operations(storage: Storage) -> Mapping[str, Operation]:
    """The operations on one storage. What is not among them is not implemented.

    Uploads are coroutines, which read their bodies as they come; the others block, and are for threads.
    """
    handlers = _HANDLERS | document_operations()
    return {name: _bind(handler, storage) for name, handler in handlers.items()}


def _bind(handler: Callable[[Storage, Caller, Params], Params | Awaitable[Params]], storage: Storage) -> Operation:
    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def operation(caller: Caller, params: Params) -> Params:
            with as_service_errors(caller, params):
                result: Params = await handler(storage, caller, params)
                return result

        return operation

    @functools.wraps(handler)
    def blocking(caller: Caller, params: Params) -> Params | Awaitable[Params]:
        with as_service_errors(caller, params):
            return handler(storage, caller, params)

    return blocking


@contextmanager
def as_service_errors(caller: Caller, params: Params) -> Iterator[None]:
    """Refuse a request that expects another owner; tell of a full disk in S3's words."""
    if any(params.get(name) not in (None, caller.account) for name in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner")):
        raise ServiceError("AccessDenied", "Access Denied", status=403)
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full() from error
        if error.errno == errno.EXDEV:
            raise other_file_system() from error
        raise
