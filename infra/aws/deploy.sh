#!/bin/sh
# Deploys: `deploy.sh all` the whole template, `deploy.sh NAME` the code of one function and nothing else. Both go through CloudFormation, so
# that it always knows what runs: the next deploy neither undoes this one unasked nor stumbles over it. New versions take over gradually,
# and go back if an alarm of theirs rings (DeploymentPreference in template.yaml).
# STACK is the stack's name; PARAMETERS, `Name=value` with spaces between, are the template's. What they do not name stays as it is.
# WATCHED=no is the way past an alarm that rings already, which would turn back what mends it, too: then no alarm is asked, and one function
# takes all its requests over at once. SAM names another SAM CLI than the pinned one.

set -eu
cd "$(dirname "$0")/../.."
. infra/aws/stack.sh

watched=${WATCHED:-yes}
case $watched in
yes | no) ;;
*)
    echo "WATCHED is yes or no, and not $watched." >&2
    exit 2
    ;;
esac
parameter() { aws cloudformation describe-stacks --stack-name "$stack" --output text --query "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue"; }

# What stops us has to be told from what is merely not there yet.
if built_for=$(parameter Architecture 2>"$out/error"); then
    exists=yes
    look
elif grep -q 'does not exist' "$out/error"; then
    exists=
else
    cat "$out/error" >&2
    exit 1
fi
# Names the deploy: its time, a little chance, and the commit. SAM tells one from another by the first ten digits.
release=$(printf '%08x' "$(date +%s)")$(od -An -N1 -tx1 /dev/urandom | tr -d ' ')$(git rev-parse --short=12 HEAD 2>/dev/null || true)

[ -n "${SAM:-}" ] || SAM=$(sh infra/tools/python-tools.sh sam)/bin/sam
deploy() {
    "$SAM" deploy --stack-name "$stack" --resolve-s3 --s3-prefix "$stack" --capabilities CAPABILITY_IAM \
        --no-confirm-changeset --no-fail-on-empty-changeset "$@"
}

if [ "$1" = all ]; then
    arch=${ARCH:-${built_for:-arm64}}
    if [ -n "$exists" ]; then
        stuck=
        for manifest in functions/*/Cargo.toml; do
            name=$(basename "$(dirname "$manifest")")
            ! turned_back "$name" || stuck="$stuck make deploy-$name"
        done
        [ -z "$stuck" ] || {
            echo "Requests can be shifted from the version that CloudFormation knows of, and not from another. Deploy what mends it first:$stuck" >&2
            exit 1
        }
    fi
    # In place, because a copy would have no target/; one after the other, because they share it.
    ARCH=$arch "$SAM" build --build-in-source --template template.yaml --build-dir "$out/build" \
        --parameter-overrides "Architecture=$arch"
    # For `make rollback-…`.
    [ -z "$exists" ] || for manifest in functions/*/Cargo.toml; do
        function=$(physical_id "$(logical_id "$(basename "$(dirname "$manifest")")")")
        [ -z "$function" ] || remember "$function" "$(live "$function" | cut -f 1)"
    done
    set -f # a `*` in PARAMETERS is one
    # shellcheck disable=SC2086 # and their spaces are what is between them
    deploy --template-file "$out/build/template.yaml" --parameter-overrides "Architecture=$arch" "Release=$release" \
        "Watched=$watched" ${PARAMETERS:-}
    exit
fi

name=$1
id=$(logical_id "$name")
function=
[ -z "$exists" ] || function=$(physical_id "$id")
[ -n "$function" ] || {
    echo "$name is not deployed yet: \`make deploy\` deploys everything." >&2
    exit 1
}
# From the version that answers now requests can only be taken over at once: CodeDeploy would start from the one that was turned back.
shift_gradually=yes
! turned_back "$name" || {
    shift_gradually=no
    echo "So this deploy takes all its requests over at once." >&2
}
[ "$watched" = yes ] || {
    shift_gradually=no
    echo "No alarm is asked, and the new version of $name takes all its requests over at once." >&2
}
make "build-$name" ARCH="$built_for"
# The template as it is deployed, with this function's code in place of the one there: nothing that was changed elsewhere goes with it.
aws cloudformation get-template --stack-name "$stack" --template-stage Original --output json >"$out/deployed.json"
tools=$(sh infra/tools/python-tools.sh template)
"$tools/bin/python" infra/aws/with_code.py "$out/deployed.json" "$id" \
    "${CARGO_TARGET_DIR:-$PWD/target}/lambda/$built_for/$name/bootstrap.zip" "$release" "$shift_gradually" >"$out/$name.json"
remember "$function" "$(live "$function" | cut -f 1)"
# The parameters stay as they are, but for what the last deploy of everything may have asked for once.
deploy --template-file "$out/$name.json" --parameter-overrides Watched=yes
