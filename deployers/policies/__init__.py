"""Checks the IAM policies of all templates: `python -m deployers.policies`, part of `make check`.

- `width`: no wildcard among actions; no resource `*` but for listed actions; services act for this account alone.
- `reference`: every action, resource and condition key is one that IAM's service authorization reference knows.
- `names`: no policy counts on a name that CloudFormation cuts.
- `topics`: EventBridge can publish to the topics that its rules name.
- `makers`: every role that CloudFormation makes resources with may do what their handlers need.
- `document`: docs/iam.md says of each role's actions, and of no others, why they are needed.
"""
