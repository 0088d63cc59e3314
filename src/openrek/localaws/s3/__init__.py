"""An S3 for people who have none: folders on disk are buckets, files in them are objects."""

from openrek.localaws.s3.storage import Located, Storage

__all__ = ["Located", "Storage"]
