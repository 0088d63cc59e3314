"""Services of AWS, or of anything that speaks its protocols, that openrek calls as a client."""

from __future__ import annotations

from typing import Any

from openrek.settings import ServiceSettings, Settings


def client(service: str, chosen: ServiceSettings, settings: Settings, region: str | None = None) -> Any:
    """A botocore client for a service that is not embedded.

    Parameters
    ----------
    service
        botocore's name: "s3".
    region
        Where to ask; by default where the settings say.
    """
    import botocore.config
    import botocore.session

    return botocore.session.get_session().create_client(
        service,
        region_name=region or chosen.region or settings.region,
        endpoint_url=None if chosen.endpoint == "aws" else chosen.endpoint,
        aws_access_key_id=chosen.access_key_id,
        aws_secret_access_key=chosen.secret_access_key,
        config=botocore.config.Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 3}),
    )
