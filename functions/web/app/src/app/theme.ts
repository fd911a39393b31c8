import { create } from "zustand";

import { localStore } from "../stores/storage.ts";

export type Theme = "system" | "light" | "dark";
const KEY = "coditect.theme";

function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

const stored = localStore.get(KEY);
const first: Theme = stored === "light" || stored === "dark" ? stored : "system";
apply(first);

export const useTheme = create<{ theme: Theme; choose: (theme: Theme) => void }>((set) => ({
  theme: first,
  choose(theme) {
    localStore.set(KEY, theme === "system" ? null : theme);
    apply(theme);
    set({ theme });
  },
}));
