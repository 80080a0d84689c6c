"""Prints what is wrong, one line each; exits with 1 if anything is."""

import sys

from deployers.policies.checks import check

if __name__ == "__main__":
    problems = check()
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    sys.exit(1 if problems else 0)
