"""`make acceptance`: the journey from a push to a zip against a real panel, a real provider and real AWS.

It talks to a running panel over its REST API, to AWS by boto3's default chain and to the provider with git. Nothing of
the product imports it. The sandbox's demo shares the client, the clone and the steps; the tests run it on the sandbox.
"""
