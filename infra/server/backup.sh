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

name=$(date -u +%Y%m%dT%H%M%SZ)
"$gateway" backup "$backups/$name"

# Only folders that have such a name are this script's.
cd "$backups"
day='[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]'
names="${day}T[0-9][0-9][0-9][0-9][0-9][0-9]Z"

# A folder without data.mdb is of a backup that was interrupted, or that is running: that one has locked its file. With
# the lock, the script looks again: the backup may have completed before, and flock may have created the file anew.
remove_interrupted='if [ -e "$1/data.mdb" ]; then rm -f "$1/data.mdb.partial"; else rm -rf "$1"; fi'
for folder in $names; do
    if [ -e "$folder/data.mdb" ]; then
        continue
    elif [ -e "$folder/data.mdb.partial" ]; then
        flock --nonblock "$folder/data.mdb.partial" sh -c "$remove_interrupted" sh "$folder" ||
            echo "left $folder, which is in use" >&2
    else
        rmdir "$folder" || echo "left $folder, which is no backup" >&2
    fi
done

# By the time at which they were made, and not by their names. The new one stays also if the clock was set back.
kept=1
ls -t $names/data.mdb | while read -r data; do
    folder=${data%/data.mdb}
    [ "$folder" != "$name" ] || continue
    kept=$((kept + 1))
    [ "$kept" -le "$keep" ] || rm -rf "$folder"
done
