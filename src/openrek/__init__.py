"""openrek: self-hosted video analysis that speaks the Amazon Rekognition Video API."""

__version__ = "0.1.0"
