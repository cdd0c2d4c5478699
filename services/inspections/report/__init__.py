"""The public's page: anybody reports a problem, without an account and without saying who they are."""
