"""`make acceptance`: the journey from a push to a zip, or to a deployment, on a real panel, a real provider and AWS.

It talks to a running panel over its REST API, to AWS by boto3's default chain and to the provider with git. Nothing of
the product imports it. The sandbox's demo walks the same journey; the tests run it on the sandbox.
"""
