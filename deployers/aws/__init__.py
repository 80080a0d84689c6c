"""The only boto3 of the panel. It knows AWS and no models: takes an `Access` and plain values, gives dataclasses."""
