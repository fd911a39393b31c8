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
[ "$1" = all ] || [ -z "${PARAMETERS:-}" ] || {
    echo "\`make deploy-$1\` deploys code alone. PARAMETERS are the whole stack's: \`make deploy PARAMETERS=…\`." >&2
    exit 2
}

# find_out: what there is, and ends the script if nothing can be deployed on top of it. `exists` is empty if there is no stack yet, and
# `built_for` then, too; else it is the architecture of what is deployed.
find_out() {
    exists='' built_for=''
    # What stops us has to be told from what is merely not there yet.
    if answer=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].[StackStatus, Parameters[?ParameterKey=='Architecture'].ParameterValue | [0]]" 2>"$scratch/error"); then
        status=$(echo "$answer" | cut -f 1)
    elif grep -q "Stack with id $stack does not exist" "$scratch/error"; then
        return
    else
        cat "$scratch/error" >&2
        exit 1
    fi
    case $status in
    REVIEW_IN_PROGRESS)
        # A name and no resource: a first deploy ended, or is, between saying and doing. SAM begins anew there.
        return
        ;;
    UPDATE_ROLLBACK_FAILED)
        echo "The last deploy of $stack failed, and so did undoing it. What stops that is in its events; then" \
            "\`aws cloudformation continue-update-rollback --stack-name $stack\`." >&2
        exit 1
        ;;
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED | DELETE_FAILED)
        echo "The first deploy of $stack has failed, or its deletion has ($status), and it can only be deleted:" \
            "\`aws cloudformation delete-stack --stack-name $stack\`. Why is in its events:" \
            "\`aws cloudformation describe-stack-events --stack-name $stack\`." >&2
        exit 1
        ;;
    *_IN_PROGRESS)
        echo "$stack is being changed ($status), and that is one deploy at a time. Wait for it, or stop its shift with" \
            "\`make rollback-NAME\`." >&2
        exit 1
        ;;
    esac
    built_for=$(echo "$answer" | cut -f 2)
    [ "$built_for" != None ] || {
        echo "The stack $stack is not of this template: it has no parameter Architecture. STACK names another." >&2
        exit 1
    }
    exists=yes
    look
}

# refuse_turned_back: ends the script if requests could not be shifted.
refuse_turned_back() {
    stuck=
    for each in $(functions); do
        ! turned_back "$each" || stuck="$stuck make deploy-$each"
    done
    [ -z "$stuck" ] || {
        echo "Requests can be shifted from the version that CloudFormation knows of, and not from another. Deploy what mends it first:$stuck" >&2
        exit 1
    }
}

# remember_live NAME: for `make rollback-NAME`.
remember_live() {
    function=$(physical_id "$(logical_id "$1")")
    # One that is yet to be made.
    [ -n "$function" ] || return 0
    state=$(live "$function")
    remember "$function" "$(echo "$state" | cut -f 1)"
}

find_out
# Names the deploy: its time, a little chance, and the commit. SAM tells one from another by the first ten digits.
release=$(printf '%08x' "$(date +%s)")$(od -An -N1 -tx1 /dev/urandom | tr -d ' ')$(git rev-parse --short=12 HEAD 2>/dev/null || true)

[ -n "${SAM:-}" ] || SAM=$(sh infra/tools/python-tools.sh sam)/bin/sam
deploy() {
    "$SAM" deploy --stack-name "$stack" --resolve-s3 --s3-prefix "$stack" --capabilities CAPABILITY_IAM \
        --no-confirm-changeset --no-fail-on-empty-changeset "$@"
}

# It takes minutes to build, and who else deploys or turns back does not wait: what is decided by what is there is asked again after it.
built_before=$built_for
find_out_again() {
    find_out
    [ "$built_for" = "$built_before" ] || {
        echo "While this was built, somebody else has changed $stack to ${built_for:-nothing}, and it was ${built_before:-not there}. Do it again." >&2
        exit 1
    }
}

if [ "$1" = all ]; then
    arch=${ARCH:-${built_for:-arm64}}
    [ -z "$exists" ] || refuse_turned_back
    # In place, because a copy would have no target/; one after the other, because they share it.
    ARCH=$arch "$SAM" build --build-in-source --template template.yaml --build-dir "$out/build" \
        --parameter-overrides "Architecture=$arch"
    find_out_again
    [ -z "$exists" ] || {
        refuse_turned_back
        for each in $(functions); do remember_live "$each"; done
    }
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
make "build-$name" ARCH="$built_for"
find_out_again
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
# The template as it is deployed, with this function's code in place of the one there: nothing that was changed elsewhere goes with it.
aws cloudformation get-template --stack-name "$stack" --template-stage Original --output json >"$scratch/deployed.json"
tools=$(sh infra/tools/python-tools.sh template)
"$tools/bin/python" infra/aws/with_code.py "$scratch/deployed.json" "$id" \
    "${CARGO_TARGET_DIR:-$PWD/target}/lambda/$built_for/$name/bootstrap.zip" "$release" "$shift_gradually" >"$out/$name.json"
remember_live "$name"
# The parameters stay as they are, but for what the last deploy of everything may have asked for once.
deploy --template-file "$out/$name.json" --parameter-overrides Watched=yes
