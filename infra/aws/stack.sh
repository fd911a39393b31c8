# Sourced from the root of the repository. It reads the deployed stack STACK (coditect-v5) from the account and region
# that the AWS CLI is set up for. Every failed read ends the script.

stack=${STACK:-coditect-v5}
out=${CARGO_TARGET_DIR:-target}/sam
export SAM_CLI_TELEMETRY=0 AWS_PAGER=
mkdir -p "$out"
# Files of this run only: two runs may overlap.
scratch=$(mktemp -d "$out/run.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

command -v aws >/dev/null || {
    echo "The AWS CLI (aws) is not installed." >&2
    exit 1
}

# Prints the names of all functions.
functions() { for manifest in functions/*/Cargo.toml; do basename "$(dirname "$manifest")"; done; }

# logical_id NAME: prints the function's logical id in template.yaml.
logical_id() {
    [ -e "functions/$1/Cargo.toml" ] || {
        echo "There is no functions/$1." >&2
        exit 2
    }
    echo "$1" | awk -F - \
        '{ for (i = 1; i <= NF; i++) printf "%s%s", toupper(substr($i, 1, 1)), substr($i, 2); print "Function" }'
}

# read_resources: reads the stack's resources. The CLI fetches all pages and prints each.
read_resources() {
    resources=$(aws cloudformation list-stack-resources --stack-name "$stack" --output text --query \
        "StackResourceSummaries[?!starts_with(ResourceStatus, 'DELETE')].[LogicalResourceId, PhysicalResourceId]")
}

# physical_id LOGICAL: prints the id of one of the stack's resources, or nothing if it has no such resource.
physical_id() { echo "$resources" | awk -v id="$1" '$1 == id { print $2 }'; }

# deployed LOGICAL: prints the version of a function that CloudFormation last put behind the alias.
deployed() {
    echo "$resources" | awk -v id="$1Version" 'index($1, id) == 1 { sub(/.*:/, "", $2); print $2 }'
}

# live FUNCTION: prints three fields: the version behind the alias; the version that receives shifted requests, or
# `None`; and the revision of the alias, which every change replaces.
live() {
    aws lambda get-alias --function-name "$1" --name live --output text \
        --query '[FunctionVersion, keys(not_null(RoutingConfig.AdditionalVersionWeights, `{}`))[0], RevisionId]'
}

# A higher version number does not mean a better version: a version that an alarm rolled back has a number, too. So
# every deploy records the version that it finds behind `live` in the function's second alias, `previous`: the alias
# points to the last of these versions, and its description lists all of them, the last one at the end. Nothing has to
# run after a deploy, which may be interrupted or rolled back.

# history_of FUNCTION: prints the name of the alias and these versions, or nothing if the alias does not exist yet.
history_of() {
    aws lambda get-alias --function-name "$1" --name previous --output text \
        --query '[Name, Description]' 2>"$scratch/error" ||
        grep -q ResourceNotFoundException "$scratch/error" || {
        cat "$scratch/error" >&2
        return 1
    }
}

# remember FUNCTION VERSION: records this version as live. Versions that were live after it have been rolled back, and
# are removed.
remember() {
    history=$(history_of "$1") || exit
    versions=$(echo "$history" | awk -v live="$2" '{
        for (i = 2; i <= NF && $i != live; i++) if ($i ~ /^[0-9]+$/) known[++n] = $i
        known[++n] = live
        for (i = n > 20 ? n - 19 : 1; i <= n; i++) printf "%s%s", known[i], i < n ? " " : ""
    }')
    # Written even if nothing changes, because the alias may have been moved by hand.
    change=update-alias
    [ -n "$history" ] || change=create-alias
    aws lambda "$change" --function-name "$1" --name previous --function-version "$2" --description "$versions" \
        --output text >/dev/null
}

# live_before FUNCTION VERSION: prints the version that was live before this one, or nothing if it is not recorded.
live_before() {
    history=$(history_of "$1") || exit
    echo "$history" | awk -v live="$2" '{
        for (i = 2; i <= NF && $i != live; i++) if ($i ~ /^[0-9]+$/) found = $i
        print found
    }'
}

# in_deploy NAME: succeeds if the deploy in progress has published a version of the function. Until the deploy ends,
# CloudFormation also has the version before it.
in_deploy() {
    id=$(logical_id "$1") || exit
    [ "$(deployed "$id" | wc -l)" -gt 1 ]
}

# rolled_back NAME: succeeds, with a message, if the alias is not where CloudFormation put it.
rolled_back() {
    id=$(logical_id "$1") || exit
    function=$(physical_id "$id")
    # The function is not deployed yet.
    [ -n "$function" ] || return 1
    state=$(live "$function") || exit
    is=$(echo "$state" | cut -f 1) was=$(deployed "$id")
    [ "$is" != "$was" ] || return 1
    echo "$1 was rolled back: its alias is at version $is, and the last deploy put it at $was." >&2
}
