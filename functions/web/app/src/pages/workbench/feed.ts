import { ApiProblem, type components, hasCode } from "../../api/index.ts";

export type FileChange = components["schemas"]["FileChange"];

export type FeedStatus =
  | { state: "connecting" }
  | { state: "live" }
  /** The next attempt is made in so many seconds. */
  | { state: "waiting"; seconds: number; error: unknown }
  | { state: "ended"; error: unknown };

export interface FeedOptions {
  poll(
    cursor: string | null,
    wait: number,
    signal: AbortSignal,
  ): Promise<{ changes: FileChange[]; nextCursor: string }>;
  sleep(seconds: number, signal: AbortSignal): Promise<void>;
  /** A number from 0 to 1. */
  random?: () => number;
  /** Later changes, in the order of their commits. */
  onChanges(changes: FileChange[]): void;
  /** Changes may be missing: everything has to be read anew. */
  onGap(): void;
  onStatus(status: FeedStatus): void;
}

/** Seconds that a request waits for the next change. */
const WAIT = 20;
/** The API's largest page. */
export const FEED_PAGE = 1000;
const LONGEST = 30;

/**
 * Follows the changes of a session until the signal is aborted.
 *
 * Reading begins at the end of the feed. The last page before it counts, because files may have been listed meanwhile.
 */
export async function follow(options: FeedOptions, signal: AbortSignal): Promise<void> {
  const { poll, sleep, onChanges, onGap, onStatus, random = Math.random } = options;
  let cursor: string | null = null;
  let atEnd = false;
  let failures = 0;
  onStatus({ state: "connecting" });
  while (!signal.aborted) {
    try {
      const page = await poll(cursor, atEnd ? WAIT : 0, signal);
      if (signal.aborted) return;
      cursor = page.nextCursor;
      const wasAtEnd = atEnd;
      atEnd ||= page.changes.length < FEED_PAGE;
      // What a connection missed while it was down is in the next page, so nothing else has to be read again.
      if (atEnd && (!wasAtEnd || failures > 0)) onStatus({ state: "live" });
      failures = 0;
      if (atEnd && page.changes.length > 0) onChanges(page.changes);
    } catch (error) {
      if (signal.aborted) return;
      if (hasCode(error, "CURSOR_EXPIRED") && cursor !== null) {
        cursor = null;
        atEnd = false;
        onGap();
        continue;
      }
      if (!isPassing(error)) return onStatus({ state: "ended", error });
      failures += 1;
      const asked = error instanceof ApiProblem ? (error.retryAfter ?? 0) : 0;
      const own = Math.min(LONGEST, 2 ** (failures - 1)) * (0.75 + random() / 2);
      const seconds = Math.max(asked, own);
      onStatus({ state: "waiting", seconds, error });
      await sleep(seconds, signal).catch(() => undefined);
    }
  }
}

/** Whether another attempt may succeed: not if the session is gone, or the login has ended. */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiProblem) return error.status >= 500 || error.status === 429 || error.status === 408;
  return error instanceof Error && ["Unreachable", "UnexpectedResponse", "TimeoutError"].includes(error.name);
}
