"""How openrek's own label detector was made: training time only, nothing here is imported by the server."""
