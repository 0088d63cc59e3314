"""The embedded IAM."""

from openrek.localaws.iam.service import Credential, Identities, iam_operations

__all__ = ["Credential", "Identities", "iam_operations"]
