#!/bin/sh
# `release-notes.sh TAG`: prints the commits since the previous tag as Markdown, by scope (`scope: subject`). Without a
# previous tag, it prints all commits.

set -eu
cd "$(dirname "$0")/../.."

tag=$1
if previous=$(git describe --tags --abbrev=0 --match 'v*' "$tag^" 2>/dev/null); then
    range=$previous..$tag
    echo "Changes since $previous."
else
    range=$tag
fi
# A stable sort keeps the order of commits within a scope.
git log --reverse --no-merges --format='%s (%h)' "$range" | LC_ALL=C sort -s -t : -k 1,1 | awk '{
    scope = "other"
    if (match($0, /^[a-z0-9_, -]+: /)) {
        scope = substr($0, 1, RLENGTH - 2)
        $0 = substr($0, RLENGTH + 1)
    }
    if (scope != last) printf "\n### %s\n\n", scope
    last = scope
    print "- " $0
}'
