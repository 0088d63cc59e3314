"""AWS's service models as data: parse, validate and serialise by them. Nothing here knows HTTP servers."""
