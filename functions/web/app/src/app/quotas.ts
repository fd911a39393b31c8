import type { Quota } from "../api/index.ts";

const count = new Intl.NumberFormat("en");

/** Like "348 MB", with the decimal prefixes that the API's limits use. */
export function bytesText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** step;
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 && step > 0 ? 1 : 0 })} ${units[step]}`;
}

interface Description {
  label: string;
  about: string;
  advice: string;
  bytes?: boolean;
}

const DESCRIPTIONS: Record<Quota["name"], Description> = {
  sessions: {
    label: "sessions",
    about: "Workspaces of this tenant.",
    advice: "Delete sessions that you no longer need.",
  },
  storedBytes: {
    label: "stored data",
    about: "Everything that the API keeps for this tenant.",
    advice: "Delete sessions that you no longer need.",
    bytes: true,
  },
  idempotencyKeys: {
    label: "recent creates",
    about: "Creates of the last 24 hours that may safely be repeated.",
    advice: "Wait until the oldest creates are a day old.",
  },
  files: {
    label: "files",
    about: "Files and folders of all sessions, with those in the trash.",
    advice: "Delete files that you no longer need, and empty the trash.",
  },
  snapshots: {
    label: "snapshots",
    about: "Kept states of the files of sessions.",
    advice: "Delete snapshots that you no longer need.",
  },
  uploads: {
    label: "uploads",
    about: "Uploads of large files that are not finished.",
    advice: "Finish or cancel open uploads.",
  },
  auditEvents: {
    label: "activity today",
    about: "Events recorded since midnight, UTC.",
    advice: "Wait until midnight, UTC, or find the program that makes so many changes.",
  },
  accessTokens: {
    label: "access tokens",
    about: "Personal access tokens of your account.",
    advice: "Revoke tokens that you no longer use.",
  },
  exportedSessions: {
    label: "exported sessions",
    about: "Sessions that exports have read lately.",
    advice: "Wait before you export again.",
  },
};

export function describeQuota(name: Quota["name"]) {
  const known: Description = DESCRIPTIONS[name] ?? { label: name, about: "", advice: "" };
  const amount = known.bytes ? bytesText : (n: number) => count.format(n);
  return {
    ...known,
    amounts: ({ used, limit }: Pick<Quota, "used" | "limit">) =>
      limit === null ? amount(used) : `${amount(used)} of ${amount(limit)}`,
  };
}
