//! `/sessions/{id}/files…`, `/sessions/{id}/snapshots…` and `/sessions/{id}/uploads…`: the files of a session.

mod admission;
mod apply_changeset;
mod cancel_upload;
mod changeset_body;
mod changeset_schema;
mod commit_upload;
mod copy_entry;
mod create_snapshot;
mod create_upload;
mod delete_entry;
mod delete_snapshot;
mod diff_snapshot;
mod empty_trash;
mod entry_body;
mod get_content;
mod get_snapshot;
mod get_upload;
mod large_object;
mod list_changes;
mod list_files;
mod list_snapshots;
mod list_trash;
mod list_uploads;
mod make_directory;
mod move_entry;
mod parameters;
mod precondition;
mod put_content;
mod put_part;
mod restore_item;
mod restore_snapshot;
mod schema;
mod search_files;
mod sign_part;
mod snapshot_body;
mod stat_file;
mod transfer_body;
mod upload_body;

api::function! {
    tag: "files",
    description: "The files of a session: a tree that changes atomically, with snapshots, trash and a feed of changes.",
    tokens: Verifies,
    endpoints: [
        list_files,
        stat_file,
        get_content,
        put_content(put_content::MAX_BYTES),
        make_directory,
        move_entry,
        copy_entry,
        delete_entry,
        apply_changeset(apply_changeset::MAX_BYTES),
        list_trash,
        restore_item,
        empty_trash,
        list_changes,
        search_files,
        create_snapshot,
        list_snapshots,
        get_snapshot,
        delete_snapshot,
        restore_snapshot,
        diff_snapshot,
        create_upload,
        list_uploads,
        get_upload,
        put_part(put_content::MAX_BYTES),
        sign_part,
        commit_upload,
        cancel_upload,
    ],
}
