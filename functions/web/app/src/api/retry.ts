import { ApiProblem, Unreachable } from "./errors.ts";

/** At most this many attempts of one request. */
const ATTEMPTS = 4;
/** The client waits this long at most, in seconds and in total. A longer wait is the user's decision. */
const PATIENCE = 10;
/** Seconds before a further attempt if the API does not say; each wait doubles. */
const FIRST_WAIT = 0.3;

export interface Attempt {
  /** Attempts so far. */
  made: number;
  /** Seconds waited so far. */
  waited: number;
}

/**
 * Seconds to wait before a request is sent again; undefined if it must not be.
 *
 * A request without an outcome may have taken effect. Only a request that takes effect once, however often it is sent,
 * is repeated then: a read, a replacement, a deletion, or a create with its `Idempotency-Key`.
 */
export function waitBefore(error: unknown, repeatable: boolean, { made, waited }: Attempt): number | undefined {
  if (made >= ATTEMPTS) return undefined;
  let wait = FIRST_WAIT * 2 ** (made - 1);
  if (error instanceof ApiProblem) {
    const passes = ["STORE_UNAVAILABLE", "TOO_MANY_CONNECTIONS", "TOO_MANY_ATTEMPTS"].includes(error.code);
    const noEffect = error.code === "TOO_MANY_CONNECTIONS";
    if (!passes || !(repeatable || noEffect)) return undefined;
    wait = Math.max(wait, error.retryAfter ?? 0);
  } else if (!(error instanceof Unreachable && repeatable)) {
    return undefined;
  }
  return waited + wait <= PATIENCE ? wait : undefined;
}

/** Waits, and rejects as soon as the signal is aborted. */
export function sleep(seconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, seconds * 1000);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
