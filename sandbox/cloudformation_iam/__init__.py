"""Who makes a resource must be allowed to: CloudFormation acts as the stack's service role, or as its caller.

MiniStack makes resources whoever asks. Here each is created, updated and deleted with the policies, conditions and
boundary of that role or caller, as AWS does; the account's root user may do all.

- `acting`: who acts in an operation on a stack, and whether they may pass the role.
- `subjects`: one resource at work, and its tags.
- `arns`: which resource a permission is checked on.
- `keys`: the condition keys of that check.
- `deciding`: the check, and AWS's words for a refusal.
- `service_linked_roles`: what exists in no fresh account.
- `nested`: nested stacks fail with what they hold.
- `install`: where MiniStack is changed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
"""
