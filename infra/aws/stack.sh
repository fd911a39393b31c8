# Sourced from the root of the repository: what is known of the deployed stack, STACK (coditect-v5), in the account and the region that the
# AWS CLI is set up for. Whatever can not be found out ends the script.

stack=${STACK:-coditect-v5}
out=${CARGO_TARGET_DIR:-target}/sam
export SAM_CLI_TELEMETRY=0 AWS_PAGER=
mkdir -p "$out"
# What this run writes down and nobody else reads: two may run at once.
scratch=$(mktemp -d "$out/run.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

command -v aws >/dev/null || {
    echo "The AWS CLI (aws) is needed, and is not here." >&2
    exit 1
}

# The names of all functions.
functions() { for manifest in functions/*/Cargo.toml; do basename "$(dirname "$manifest")"; done; }

# logical_id NAME: the function's in template.yaml.
logical_id() {
    [ -e "functions/$1/Cargo.toml" ] || {
        echo "There is no functions/$1." >&2
        exit 2
    }
    echo "$1" | awk -F - '{ for (i = 1; i <= NF; i++) printf "%s%s", toupper(substr($i, 1, 1)), substr($i, 2); print "Function" }'
}

# look: finds out what the stack has. The CLI asks for page after page of it, and prints each.
look() {
    resources=$(aws cloudformation list-stack-resources --stack-name "$stack" --output text \
        --query "StackResourceSummaries[?!starts_with(ResourceStatus, 'DELETE')].[LogicalResourceId, PhysicalResourceId]")
}

# physical_id LOGICAL: of a resource of the stack; nothing if it has none of that name.
physical_id() { echo "$resources" | awk -v id="$1" '$1 == id { print $2 }'; }

# deployed LOGICAL: the version of a function that CloudFormation has last put behind its alias.
deployed() { echo "$resources" | awk -v id="$1Version" 'index($1, id) == 1 { sub(/.*:/, "", $2); print $2 }'; }

# live FUNCTION: the version behind the alias, and, while requests are shifted, the one that they go over to, else `None`; and what the alias
# is called as long as nobody changes it.
live() {
    aws lambda get-alias --function-name "$1" --name live --output text \
        --query '[FunctionVersion, keys(not_null(RoutingConfig.AdditionalVersionWeights, `{}`))[0], RevisionId]'
}

# The number of a version says nothing about whether it was any good: one that an alarm has turned back has one, too. So every deploy writes
# down which version it finds behind `live`, in the function's other alias, `previous`: that is at the last of them, and its description is
# all of them, the last one last. Nothing has to be done after a deploy, which may be cut off or turned back.

# history_of FUNCTION: these versions, after the name of the alias; nothing if there is none yet.
history_of() {
    aws lambda get-alias --function-name "$1" --name previous --output text --query '[Name, Description]' 2>"$scratch/error" ||
        grep -q ResourceNotFoundException "$scratch/error" || {
        cat "$scratch/error" >&2
        return 1
    }
}

# remember FUNCTION VERSION: writes down that this one is live. Those that were so after it were turned back from.
remember() {
    history=$(history_of "$1") || exit
    versions=$(echo "$history" | awk -v live="$2" '{
        for (i = 2; i <= NF && $i != live; i++) if ($i ~ /^[0-9]+$/) known[++n] = $i
        known[++n] = live
        for (i = n > 20 ? n - 19 : 1; i <= n; i++) printf "%s%s", known[i], i < n ? " " : ""
    }')
    # Written again also when it is the same: it may have been moved by hand.
    change=update-alias
    [ -n "$history" ] || change=create-alias
    aws lambda "$change" --function-name "$1" --name previous --function-version "$2" --description "$versions" --output text >/dev/null
}

# live_before FUNCTION VERSION: which version was live before this one; nothing if nobody knows.
live_before() {
    history=$(history_of "$1") || exit
    echo "$history" | awk -v live="$2" '{
        for (i = 2; i <= NF && $i != live; i++) if ($i ~ /^[0-9]+$/) found = $i
        print found
    }'
}

# in_deploy NAME: whether the deploy that is under way has published a version of it. CloudFormation has the one before, too, until it is done.
in_deploy() {
    id=$(logical_id "$1") || exit
    [ "$(deployed "$id" | wc -l)" -gt 1 ]
}

# turned_back NAME: whether its alias stands elsewhere than CloudFormation has put it, and says so.
turned_back() {
    id=$(logical_id "$1") || exit
    function=$(physical_id "$id")
    # One that is yet to be made.
    [ -n "$function" ] || return 1
    state=$(live "$function") || exit
    is=$(echo "$state" | cut -f 1) was=$(deployed "$id")
    [ "$is" != "$was" ] || return 1
    echo "$1 was turned back: its alias is at version $is, and the last deploy put it at $was." >&2
}
