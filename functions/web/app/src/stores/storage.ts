/** Storage that may be blocked, full or absent. What cannot be kept is kept in memory, until the page is closed. */
export interface SafeStorage {
  get(key: string): string | null;
  /** Null removes the value. */
  set(key: string, value: string | null): void;
  /** Whether values survive a reload. */
  works(): boolean;
}

export function safeStorage(open: () => Storage): SafeStorage {
  const memory = new Map<string, string>();
  let failed = false;
  const attempt = <T>(task: (storage: Storage) => T): T | undefined => {
    try {
      return task(open());
    } catch {
      failed = true;
      return undefined;
    }
  };
  attempt((storage) => {
    storage.setItem("coditect.probe", "1");
    storage.removeItem("coditect.probe");
  });
  return {
    get: (key) => memory.get(key) ?? attempt((storage) => storage.getItem(key)) ?? null,
    set(key, value) {
      memory.delete(key);
      const kept = attempt((storage) => {
        if (value === null) storage.removeItem(key);
        else storage.setItem(key, value);
        return true;
      });
      if (!kept && value !== null) memory.set(key, value);
    },
    works: () => !failed,
  };
}

export const localStore = safeStorage(() => window.localStorage);
export const tabStore = safeStorage(() => window.sessionStorage);
