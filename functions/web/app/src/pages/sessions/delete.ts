import { create } from "zustand";

import { type components, hasCode } from "../../api/index.ts";
import { api, authStore } from "../../stores/auth-store.ts";
import { explain } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";

type Session = components["schemas"]["Session"];

/** Sessions that the user has deleted, and can still have back. They exist until the message about them leaves. */
export const useDeleted = create<{ ids: ReadonlySet<string> }>(() => ({ ids: new Set() }));
const waiting = new Map<string, () => Promise<void>>();

function mark(id: string, deleted: boolean): void {
  useDeleted.setState(({ ids }) => {
    const next = new Set(ids);
    if (deleted) next.add(id);
    else next.delete(id);
    return { ids: next };
  });
}

/** Hides the session at once, and deletes it when the message leaves, unless the user wants it back. */
export function deleteWithUndo(session: Session, onDeleted: () => void): void {
  const { id, name } = session;
  const owner = authStore.getState().user?.id;
  let undone = false;
  const commit = async (keepalive = false) => {
    if (undone || !waiting.delete(id)) return;
    // Another user has signed in meanwhile: the deletion is not theirs.
    if (authStore.getState().user?.id !== owner) return mark(id, false);
    try {
      await api.DELETE("/sessions/{id}", { params: { path: { id } }, keepalive });
    } catch (error) {
      if (!hasCode(error, "NOT_FOUND")) {
        mark(id, false);
        const run = () => deleteWithUndo(session, onDeleted);
        toast(`“${name}” was not deleted. ${explain(error).title}.`, {
          tone: "bad",
          action: { label: "Try again", run },
        });
        return;
      }
    }
    onDeleted();
  };
  mark(id, true);
  waiting.set(id, () => commit(true));
  const undo = () => {
    undone = true;
    waiting.delete(id);
    mark(id, false);
  };
  toast(`Deleted “${name}”.`, { action: { label: "Undo", run: undo }, onLeave: () => void commit() });
}

/** A page that is closed, or a user who signs out, decides for the deletion. */
export async function commitDeletions(): Promise<void> {
  await Promise.all([...waiting.values()].map((commit) => commit()));
}

window.addEventListener("pagehide", () => void commitDeletions());
