#!/bin/sh
# Turns one function back: `rollback.sh NAME` moves its alias `live` to the version before the one that it is at, in seconds, and touches
# nothing else. VERSION chooses another one, also a newer one. While a deploy is shifting requests it is that deploy which is stopped:
# CodeDeploy then moves the alias back, and CloudFormation the rest.

set -eu
cd "$(dirname "$0")/../.."
. infra/aws/stack.sh

name=$1
id=$(logical_id "$name")
look
function=$(physical_id "$id")
[ -n "$function" ] || {
    echo "$name is not deployed." >&2
    exit 1
}

state=$(live "$function")
current=$(echo "$state" | cut -f 1) next=$(echo "$state" | cut -f 2)
if [ "$next" != None ]; then
    application=$(physical_id ServerlessDeploymentApplication)
    group=$(physical_id "${id}DeploymentGroup")
    deployment=$(aws deploy list-deployments --application-name "$application" --deployment-group-name "$group" \
        --include-only-statuses Created Queued InProgress Ready --query 'deployments[0]' --output text)
    if [ "$deployment" != None ]; then
        aws deploy stop-deployment --deployment-id "$deployment" --auto-rollback-enabled --output text >&2
        echo "$name: the shift from version $current to $next is stopped, and goes back to $current."
        exit
    fi
    # Nobody is shifting, and yet it is shared: it goes to the one that was there.
    VERSION=${VERSION:-$current}
fi

versions=$(aws lambda list-versions-by-function --function-name "$function" --output text --query 'Versions[].Version')
# A number on a line, in their order; what is not published has none.
versions=$(echo "$versions" | tr '\t' '\n' | grep -E '^[0-9]+$' | sort -n)
if [ -n "${VERSION:-}" ]; then
    target=$(echo "$versions" | grep -Fx -e "$VERSION") || {
        echo "$name has no version $VERSION; it has" "$(echo "$versions" | tr '\n' ' ')" >&2
        exit 1
    }
else
    target=$(echo "$versions" | awk -v current="$current" '$1 < current + 0 { found = $1 } END { print found }')
    [ -n "$target" ] || {
        echo "$name has no version before $current." >&2
        exit 1
    }
fi
aws lambda update-alias --function-name "$function" --name live --function-version "$target" \
    --routing-config 'AdditionalVersionWeights={}' --output text >&2
echo "$name: live was at version $current, and is at $target. \`make deploy-$name\` deploys what mends it;" \
    "\`VERSION=$current make rollback-$name\` takes this back."
