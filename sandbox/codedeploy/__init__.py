"""CodeDeploy for MiniStack, which has none: API, engine and CloudFormation resources. In-place, EC2, from S3.

Everything runs in MiniStack's process and behind its gateway, so that requests are signed, authorized by IAM policies,
and saved with the rest. `service` is the module that MiniStack serves, as it serves its own.
"""
