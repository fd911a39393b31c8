#!/bin/sh
# Turns one function back: `rollback.sh NAME` moves its alias `live` to the version that was live before the one that it is at, in seconds,
# and touches nothing else. VERSION chooses another one, also a newer one. While a deploy is shifting requests it is that deploy which is
# stopped: CodeDeploy then moves the alias back, and CloudFormation the rest, which is other functions, too, if they are in the same deploy.
# So that is done with WHOLE=yes alone.

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
        # Nobody is shifting, and yet it is shared: it goes to the one that was there.
        VERSION=${VERSION:-$current}
        ;;
    *)
        others=
        for other in $(functions); do
            [ "$other" = "$name" ] || ! in_deploy "$other" || others="$others $other"
        done
        [ -z "$others" ] || [ "${WHOLE:-}" = yes ] || {
            echo "The deploy that is shifting $name is also of$others, and CloudFormation undoes all of it or nothing." \
                "\`WHOLE=yes make rollback-$name\` does that; after the deploy, \`make rollback-$name\` moves $name alone." >&2
            exit 1
        }
        aws deploy stop-deployment --deployment-id "$deployment" --auto-rollback-enabled --output text >&2
        echo "$name: the shift from version $current to $next is stopped, and goes back to $current.${others:+ With it go$others.}"
        exit
        ;;
    esac
else
    # A shift begins where its deploy has seen the alias, so to move that now would undo the deploy, others' part in it included.
    status=$(aws cloudformation describe-stacks --stack-name "$stack" --output text --query 'Stacks[0].StackStatus')
    case $status in
    # Done, but for what nobody needs any more.
    UPDATE_COMPLETE_CLEANUP_IN_PROGRESS) ;;
    *_IN_PROGRESS)
        if ! in_deploy "$name"; then
            [ "${WHOLE:-}" = yes ] || {
                echo "A deploy is under way ($status), and may yet come to $name; moved now, that would undo all of it. Wait for it, or, if it is" \
                    "of other functions alone or may be undone, \`WHOLE=yes make rollback-$name\`." >&2
                exit 1
            }
        elif [ "$current" != "$(deployed "$id" | sort -n | tail -n 1)" ]; then
            echo "A deploy that has a new version of $name is under way ($status), and has not shifted to it yet, or back already. Wait for it." >&2
            exit 1
        fi
        ;;
    esac
fi

published=$(aws lambda list-versions-by-function --function-name "$function" --output text --query 'Versions[].Version')
# A number on a line, in their order; what is not published has none.
published=$(echo "$published" | tr '\t' '\n' | grep -E '^[0-9]+$' | sort -n)
target=${VERSION:-$(live_before "$function" "$current")}
[ -n "$target" ] || {
    echo "Which version of $name was live before $current is not known. VERSION chooses one; it has" \
        "$(echo "$published" | tr '\n' ' ')" >&2
    exit 1
}
echo "$published" | grep -Fqx -e "$target" || {
    echo "$name has no version $target; it has" "$(echo "$published" | tr '\n' ' ')" >&2
    exit 1
}
# The way back from one that was not live yet.
known=$(history_of "$function")
case " $(echo "$known" | cut -f 2) " in
*" $target "*) ;;
*) remember "$function" "$current" ;;
esac
# With the revision, so that who has moved it meanwhile is not undone unseen.
aws lambda update-alias --function-name "$function" --name live --function-version "$target" --revision-id "$revision" \
    --routing-config 'AdditionalVersionWeights={}' --output text >&2 || {
    echo "$name was not moved. If somebody else has just moved it, look where it is, and do it again." >&2
    exit 1
}
echo "$name: live was at version $current, and is at $target. \`make deploy-$name\` deploys what mends it;" \
    "\`VERSION=$current make rollback-$name\` takes this back."
