#!/bin/sh
# Lints template.yaml with cfn-lint, transforms it like CloudFormation, lints the result, counts the resources of the
# planned functions, and tests the scripts in infra/aws and infra/fdb. Its tools go into .tools/python/ and need a
# python3. Without it, the script says so, and fails in CI only. It changes nothing outside .tools/ and target/.

set -eu
cd "$(dirname "$0")/../.."

tools=$(sh infra/tools/python-tools.sh template) || {
    echo "template.yaml was not linted, and infra/aws and infra/fdb were not tested: their tools are not available." >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
}
out=${CARGO_TARGET_DIR:-target}/sam
mkdir -p "$out"

# transform ARGUMENT: without the translator's log, unless it fails.
transform() {
    "$tools/bin/python" infra/aws/transform.py "$1" 2>"$out/transform.log" || {
        cat "$out/transform.log" >&2
        exit 1
    }
}

"$tools/bin/cfn-lint" template.yaml
transform template.yaml >"$out/transformed.json"
# W2001: parameters that the transformation has resolved are no longer used.
"$tools/bin/cfn-lint" --ignore-checks W2001 -- "$out/transformed.json"
echo "template.yaml is a valid SAM template, and has no findings"
transform --planned

for folder in infra/fdb infra/aws; do
    "$tools/bin/python" -B -m unittest discover -s "$folder"
done
