#!/bin/sh
# `deploy.sh all` deploys the whole template, `deploy.sh NAME` the code of one function and nothing else. Both go
# through CloudFormation, so that it knows what is deployed: the next deploy neither reverts this one nor fails because
# of it. Requests shift gradually to new versions, and back if one of their alarms rings (DeploymentPreference in
# template.yaml).
#
#   STACK           the stack's name
#   PARAMETERS      the template's parameters, `Name=value` separated by spaces; all others keep their values
#   WATCHED=no      deploys although an alarm already rings, which would roll back the fix, too: no alarm is consulted,
#                   and the new version of a single function takes over immediately
#   SAM             another SAM CLI than the pinned one

set -eu
cd "$(dirname "$0")/../.."
. infra/aws/stack.sh

watched=${WATCHED:-yes}
case $watched in
yes | no) ;;
*)
    echo "WATCHED must be yes or no, not $watched." >&2
    exit 2
    ;;
esac
[ "$1" = all ] || [ -z "${PARAMETERS:-}" ] || {
    echo "\`make deploy-$1\` deploys code only. PARAMETERS belong to the whole stack: \`make deploy PARAMETERS=…\`." >&2
    exit 2
}

# read_stack: reads the stack's state, and ends the script if it cannot be deployed to. Without a stack, `exists` and
# `built_for` are empty; otherwise `built_for` is the deployed architecture.
read_stack() {
    exists='' built_for=''
    # An error must not be mistaken for a stack that does not exist yet.
    query="Stacks[0].[StackStatus, Parameters[?ParameterKey=='Architecture'].ParameterValue | [0]]"
    if answer=$(aws cloudformation describe-stacks --stack-name "$stack" --output text --query "$query" \
        2>"$scratch/error"); then
        status=$(echo "$answer" | cut -f 1)
    elif grep -q "Stack with id $stack does not exist" "$scratch/error"; then
        return
    else
        cat "$scratch/error" >&2
        exit 1
    fi
    case $status in
    REVIEW_IN_PROGRESS)
        # The stack has a name and no resources: a first deploy is between its change set and its execution, or ended
        # there. SAM starts over.
        return
        ;;
    UPDATE_ROLLBACK_FAILED)
        echo "The last deploy of $stack failed, and so did its rollback. The stack's events show the cause; then run" \
            "\`aws cloudformation continue-update-rollback --stack-name $stack\`." >&2
        exit 1
        ;;
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED | DELETE_FAILED)
        echo "The first deploy of $stack failed, or its deletion did ($status). It can only be deleted:" \
            "\`aws cloudformation delete-stack --stack-name $stack\`. Its events show the cause:" \
            "\`aws cloudformation describe-stack-events --stack-name $stack\`." >&2
        exit 1
        ;;
    *_IN_PROGRESS)
        echo "$stack is being changed ($status), and CloudFormation runs one deploy at a time. Wait for it, or stop" \
            "its traffic shift with \`make rollback-NAME\`." >&2
        exit 1
        ;;
    esac
    built_for=$(echo "$answer" | cut -f 2)
    [ "$built_for" != None ] || {
        echo "The stack $stack does not come from this template: it has no parameter Architecture." \
            "STACK selects another one." >&2
        exit 1
    }
    exists=yes
    read_resources
}

# reject_rolled_back: ends the script if a function is rolled back, because its requests cannot shift then.
reject_rolled_back() {
    commands=
    for each in $(functions); do
        ! rolled_back "$each" || commands="$commands make deploy-$each"
    done
    [ -z "$commands" ] || {
        echo "Requests can only shift from the version that CloudFormation knows. Deploy the fix first:$commands" >&2
        exit 1
    }
}

# remember_live NAME: records the live version for `make rollback-NAME`.
remember_live() {
    function=$(physical_id "$(logical_id "$1")")
    # The function is not deployed yet.
    [ -n "$function" ] || return 0
    state=$(live "$function")
    remember "$function" "$(echo "$state" | cut -f 1)"
}

read_stack
# The deploy's id: the time, a random byte and the commit. SAM compares the first ten digits.
release=$(printf '%08x' "$(date +%s)")$(od -An -N1 -tx1 /dev/urandom | tr -d ' ')
release=$release$(git rev-parse --short=12 HEAD 2>/dev/null || true)

[ -n "${SAM:-}" ] || SAM=$(sh infra/tools/python-tools.sh sam)/bin/sam
deploy() {
    "$SAM" deploy --stack-name "$stack" --resolve-s3 --s3-prefix "$stack" --capabilities CAPABILITY_IAM \
        --no-confirm-changeset --no-fail-on-empty-changeset "$@"
}

# A build takes minutes, and other deploys and rollbacks do not wait for it. So the stack's state is read again after
# it.
built_before=$built_for
read_stack_again() {
    read_stack
    [ "$built_for" = "$built_before" ] || {
        echo "During the build, another deploy changed $stack from ${built_before:-no stack} to" \
            "${built_for:-no stack}. Start again." >&2
        exit 1
    }
}

if [ "$1" = all ]; then
    arch=${ARCH:-${built_for:-arm64}}
    [ -z "$exists" ] || reject_rolled_back
    # In place, because a copy would have no target/; not in parallel, because the builds share it.
    ARCH=$arch "$SAM" build --build-in-source --template template.yaml --build-dir "$out/build" \
        --parameter-overrides "Architecture=$arch"
    read_stack_again
    [ -z "$exists" ] || {
        reject_rolled_back
        for each in $(functions); do remember_live "$each"; done
    }
    set -f # a `*` in PARAMETERS is not a pattern
    # shellcheck disable=SC2086 # spaces separate the parameters
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
read_stack_again
# CodeDeploy would shift from the version that was rolled back, not from the live one. So the new version takes over
# immediately.
shift_gradually=yes
! rolled_back "$name" || {
    shift_gradually=no
    echo "This deploy therefore takes over all its requests at once." >&2
}
[ "$watched" = yes ] || {
    shift_gradually=no
    echo "No alarm is consulted, and the new version of $name takes over all its requests at once." >&2
}
# The deployed template with this function's code replaced: no other local change is deployed with it.
aws cloudformation get-template --stack-name "$stack" --template-stage Original --output json >"$scratch/deployed.json"
tools=$(sh infra/tools/python-tools.sh template)
"$tools/bin/python" infra/aws/with_code.py "$scratch/deployed.json" "$id" \
    "${CARGO_TARGET_DIR:-$PWD/target}/lambda/$built_for/$name/bootstrap.zip" \
    "$release" "$shift_gradually" >"$out/$name.json"
remember_live "$name"
# Parameters keep their values, except Watched: the last `make deploy` may have set it to `no` for that deploy only.
deploy --template-file "$out/$name.json" --parameter-overrides Watched=yes
