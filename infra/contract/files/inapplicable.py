"""What the suites test and the API does not promise: each test with its reason. A listed test that passes is an error,
and so is one that does not exist, or a test that is skipped."""

INAPPLICABLE: dict[str, str] = {}
