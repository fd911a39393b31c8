#!/bin/sh
# `rollback.sh NAME` moves the function's alias `live` to the version that was live before the current one, within
# seconds, and changes nothing else. VERSION selects another version, also a newer one.
#
# While a deploy is shifting the function's requests, the script stops that deploy instead: CodeDeploy then moves the
# alias back, and CloudFormation rolls back the rest of the deploy, which may include other functions. That needs
# WHOLE=yes.

set -eu
cd "$(dirname "$0")/../.."
. infra/aws/stack.sh

name=$1
id=$(logical_id "$name")
read_resources
function=$(physical_id "$id")
[ -n "$function" ] || {
    echo "$name is not deployed." >&2
    exit 1
}

state=$(live "$function")
current=$(echo "$state" | cut -f 1) next=$(echo "$state" | cut -f 2) revision=$(echo "$state" | cut -f 3)
if [ "$next" != None ]; then
    group=$(physical_id "${id}DeploymentGroup")
    status=None
    [ -z "$group" ] || {
        last=$(aws deploy get-deployment-group --application-name "$(physical_id ServerlessDeploymentApplication)" \
            --deployment-group-name "$group" --output text \
            --query 'deploymentGroupInfo.lastAttemptedDeployment.[status, deploymentId]')
        status=$(echo "$last" | cut -f 1) deployment=$(echo "$last" | cut -f 2)
    }
    case $status in
    None | Succeeded | Failed | Stopped)
        # The alias splits requests although no deployment runs: all of them go back to the first version.
        VERSION=${VERSION:-$current}
        ;;
    *)
        others=
        for other in $(functions); do
            [ "$other" = "$name" ] || ! in_deploy "$other" || others="$others $other"
        done
        [ -z "$others" ] || [ "${WHOLE:-}" = yes ] || {
            echo "The deploy that is shifting $name also includes$others, and CloudFormation rolls back all of it or" \
                "nothing. \`WHOLE=yes make rollback-$name\` does so; after the deploy, \`make rollback-$name\` moves" \
                "$name only." >&2
            exit 1
        }
        aws deploy stop-deployment --deployment-id "$deployment" --auto-rollback-enabled --output text >&2
        echo "$name: the shift from version $current to $next is stopped, and goes back to $current." \
            "${others:+It also rolls back$others.}"
        exit
        ;;
    esac
else
    # A shift starts from the version that its deploy found. Moving the alias now would fail that deploy, with every
    # function in it.
    status=$(aws cloudformation describe-stacks --stack-name "$stack" --output text --query 'Stacks[0].StackStatus')
    case $status in
    # Complete, except for the removal of old resources.
    UPDATE_COMPLETE_CLEANUP_IN_PROGRESS) ;;
    *_IN_PROGRESS)
        if ! in_deploy "$name"; then
            [ "${WHOLE:-}" = yes ] || {
                echo "A deploy is in progress ($status), and may still reach $name; a rollback now would then fail" \
                    "all of it. Wait for it. If it does not include $name, or may be rolled back:" \
                    "\`WHOLE=yes make rollback-$name\`." >&2
                exit 1
            }
        elif [ "$current" != "$(deployed "$id" | sort -n | tail -n 1)" ]; then
            echo "A deploy with a new version of $name is in progress ($status). It has not shifted to that version" \
                "yet, or has rolled it back. Wait for it." >&2
            exit 1
        fi
        ;;
    esac
fi

published=$(aws lambda list-versions-by-function --function-name "$function" --output text --query 'Versions[].Version')
# One number per line, sorted. The unpublished version has no number.
published=$(echo "$published" | tr '\t' '\n' | grep -E '^[0-9]+$' | sort -n)
target=${VERSION:-$(live_before "$function" "$current")}
[ -n "$target" ] || {
    echo "The version of $name that was live before $current is not recorded. VERSION selects one of:" \
        "$(echo "$published" | tr '\n' ' ')" >&2
    exit 1
}
echo "$published" | grep -Fqx -e "$target" || {
    echo "$name has no version $target; it has" "$(echo "$published" | tr '\n' ' ')" >&2
    exit 1
}
# If the target was never live, the current version is recorded, so that the next rollback returns to it.
known=$(history_of "$function")
case " $(echo "$known" | cut -f 2) " in
*" $target "*) ;;
*) remember "$function" "$current" ;;
esac
# The revision makes Lambda reject the change if the alias was moved in the meantime.
aws lambda update-alias --function-name "$function" --name live --function-version "$target" --revision-id "$revision" \
    --routing-config 'AdditionalVersionWeights={}' --output text >&2 || {
    echo "$name was not moved. If its alias was moved in the meantime, check its version, and start again." >&2
    exit 1
}
echo "$name: live was at version $current, and is at $target. \`make deploy-$name\` deploys a fix;" \
    "\`VERSION=$current make rollback-$name\` reverts this."
