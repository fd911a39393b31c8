"""What the suites test and the API does not promise: each test with its reason. A listed test that passes is an error,
and so is one that does not exist, or a test that is skipped."""

INAPPLICABLE: dict[str, str] = {}

# The largest file of PyFilesystem's tests, 3.75 MiB instead of 5.25 MiB: files of more than 4 MiB need an object store,
# and the gateway of these tests has none. A test fails once it has one.
LARGEST_FILE = b"egg" * 5 * 256 * 1024
