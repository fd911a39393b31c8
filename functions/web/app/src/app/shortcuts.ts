import { create } from "zustand";

import { localStore } from "../stores/storage.ts";

const KEY = "coditect.shortcuts";

/** Whether single keys are shortcuts. Speech input and unsteady hands press them by mistake: they can be turned off. */
export const useShortcuts = create<{ on: boolean; choose: (on: boolean) => void }>((set) => ({
  on: localStore.get(KEY) !== "off",
  choose(on) {
    localStore.set(KEY, on ? null : "off");
    set({ on });
  },
}));

/** Where a key is input, or chooses an entry. */
const TAKES_KEYS = "input, textarea, select, [contenteditable], [role=dialog], [role=menu]";

/** The single key of a shortcut; undefined if it is something else, or shortcuts are off. */
export function shortcutOf(event: KeyboardEvent): string | undefined {
  const { key, ctrlKey, metaKey, altKey, repeat, defaultPrevented, target } = event;
  if (!useShortcuts.getState().on || ctrlKey || metaKey || altKey || repeat || defaultPrevented) return undefined;
  return (target as Element).closest(TAKES_KEYS) ? undefined : key;
}
