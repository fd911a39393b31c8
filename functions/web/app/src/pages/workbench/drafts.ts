import type { SafeStorage } from "../../stores/storage.ts";

/** Changes that are not saved, with the version that they began with. */
export interface Draft {
  base: string;
  etag: string | null;
  text: string;
}

export interface OpenFile {
  path: string;
  /** Absent: the file has no changes. */
  draft?: Draft;
}

export interface Kept {
  files: OpenFile[];
  active: string | null;
}

/**
 * Keeps the open files of a session and their changes in the tab, for a reload or another sign-in of the same user.
 *
 * Nothing of it outlives the tab: others may use this computer.
 */
export class Drafts {
  readonly #storage: SafeStorage;
  readonly #key: string;
  #files: string[] = [];

  constructor(storage: SafeStorage, user: string, session: string) {
    this.#storage = storage;
    this.#key = `coditect.draft.${user}.${session}`;
  }

  /** Whether a reload finds the changes again. */
  get survives(): boolean {
    return this.#storage.works();
  }

  load(): Kept {
    const index = parsed(this.#storage.get(this.#key)) as { paths?: unknown; active?: unknown } | undefined;
    const paths = Array.isArray(index?.paths) ? index.paths.filter((path) => typeof path === "string") : [];
    this.#files = paths;
    const files = paths.map((path): OpenFile => {
      const draft = parsed(this.#storage.get(`${this.#key}${path}`));
      return isDraft(draft) ? { path, draft } : { path };
    });
    const active = paths.find((path) => path === index?.active) ?? null;
    return { files, active };
  }

  save({ files, active }: Kept): void {
    const paths = files.map(({ path }) => path);
    for (const path of this.#files) if (!paths.includes(path)) this.#storage.set(`${this.#key}${path}`, null);
    this.#files = paths;
    this.#storage.set(this.#key, paths.length > 0 ? JSON.stringify({ paths, active }) : null);
    for (const { path, draft } of files) {
      this.#storage.set(`${this.#key}${path}`, draft ? JSON.stringify(draft) : null);
    }
  }
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isDraft(value: unknown): value is Draft {
  if (typeof value !== "object" || value === null) return false;
  const { base, etag, text } = value as Record<string, unknown>;
  return typeof base === "string" && typeof text === "string" && (etag === null || typeof etag === "string");
}
