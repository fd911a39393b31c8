#!/bin/sh
# Lints template.yaml with cfn-lint, transforms it as CloudFormation does, lints what comes of it, and tests the scripts that deploy it. What
# that needs is put into .tools/python/, and needs a python3; where that is missing this says so, and fails in CI alone. Nothing outside
# .tools/ and target/ is touched.

set -eu
cd "$(dirname "$0")/../.."

tools=$(sh infra/tools/python-tools.sh template) || {
    echo "template.yaml was not linted, and infra/aws and infra/fdb not tested: their tools can not be had." >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
}
out=${CARGO_TARGET_DIR:-target}/sam
mkdir -p "$out"

"$tools/bin/cfn-lint" template.yaml
"$tools/bin/python" infra/aws/transform.py >"$out/transformed.json" 2>"$out/transform.log" || {
    cat "$out/transform.log" >&2
    exit 1
}
# W2001: what the transformation has taken in is not used any more.
"$tools/bin/cfn-lint" --ignore-checks W2001 -- "$out/transformed.json"
echo "template.yaml is a valid SAM template, and has no findings"

for folder in infra/fdb infra/aws; do
    "$tools/bin/python" -B -m unittest discover -s "$folder"
done
