# Sourced from the root of the repository: what is known of the deployed stack, STACK (coditect-v5), in the account and the region that the
# AWS CLI is set up for. Whatever can not be found out ends the script.

stack=${STACK:-coditect-v5}
export SAM_CLI_TELEMETRY=0 AWS_PAGER=

command -v aws >/dev/null || {
    echo "The AWS CLI (aws) is needed, and is not here." >&2
    exit 1
}

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

# live FUNCTION: the version behind the alias, and, while requests are shifted, the one that they go over to, else `None`.
live() {
    aws lambda get-alias --function-name "$1" --name live --output text \
        --query '[FunctionVersion, keys(not_null(RoutingConfig.AdditionalVersionWeights, `{}`))[0]]'
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
