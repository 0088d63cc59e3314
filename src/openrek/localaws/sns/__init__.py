"""The embedded SNS."""

from openrek.localaws.sns.certificate_page import CertificatePage
from openrek.localaws.sns.service import Topics, sns_operations

__all__ = ["CertificatePage", "Topics", "sns_operations"]
