#!/bin/sh
# Backs up the store of STORE into a new folder of BACKUPS, and then removes all backups but the newest KEEP. If the
# backup fails, it removes nothing. coditect-v5-backup.service runs this as the gateway's user.

set -eu

gateway=${GATEWAY:-/opt/coditect-v5/current/gateway}
backups=${BACKUPS:-/var/backups/coditect-v5}
keep=${KEEP:-14}
case $keep in
'' | 0* | *[!0-9]*)
    echo "error: KEEP must be a number of backups, at least 1, but is \`$keep\`" >&2
    exit 1
    ;;
esac

"$gateway" backup "$backups/$(date -u +%Y%m%dT%H%M%SZ)"

# The shell sorts the names, and so by time. A folder without data.mdb is the rest of a backup that was interrupted.
for folder in "$backups"/????????T??????Z; do
    [ -e "$folder/data.mdb" ] || rm -rf "$folder"
done
set -- "$backups"/????????T??????Z
for folder; do
    [ $# -gt "$keep" ] || break
    rm -rf "$folder"
    shift
done
