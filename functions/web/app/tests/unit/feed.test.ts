import { expect, test, vi } from "vitest";

import { ApiProblem, type Code, Unreachable } from "../../src/api/index.ts";
import { FEED_PAGE, type FeedStatus, type FileChange, follow } from "../../src/pages/workbench/feed.ts";

const change = (path: string): FileChange => ({ kind: "created", path, at: "", by: { userId: "u" } });
const problem = (status: number, code: Code, retryAfter?: number) =>
  new ApiProblem({ success: false, type: "t", title: "T", status, code, detail: "", requestId: "r" }, retryAfter);

type Page = { changes: FileChange[]; nextCursor: string };

/** Follows a feed that gives these answers, and ends with the last one. */
async function run(answers: (Page | Error)[]) {
  const abort = new AbortController();
  const polls: [cursor: string | null, wait: number][] = [];
  const waits: number[] = [];
  const statuses: FeedStatus[] = [];
  const onChanges = vi.fn();
  const onGap = vi.fn();
  await follow(
    {
      async poll(cursor, wait) {
        polls.push([cursor, wait]);
        const answer = answers.shift();
        if (answer === undefined) {
          abort.abort();
          throw new Error("the end");
        }
        if (answer instanceof Error) throw answer;
        return answer;
      },
      sleep: async (seconds) => void waits.push(seconds),
      random: () => 0.5,
      onChanges,
      onGap,
      onStatus: (status) => void statuses.push(status),
    },
    abort.signal,
  );
  const seen = onChanges.mock.calls.flatMap(([changes]) => (changes as FileChange[]).map(({ path }) => path));
  return { polls, waits, statuses, seen, onGap, states: statuses.map(({ state }) => state) };
}

const full: Page = { changes: Array.from({ length: FEED_PAGE }, (_, n) => change(`/old/${n}`)), nextCursor: "1" };

test("reading begins at the end: older pages are passed without waiting, later changes are told", async () => {
  const { polls, seen, states } = await run([
    full,
    { changes: [change("/last")], nextCursor: "2" },
    { changes: [], nextCursor: "2" },
    { changes: [change("/a"), change("/b")], nextCursor: "3" },
  ]);
  expect(polls.map(([cursor, wait]) => [cursor, wait > 0])).toEqual([
    [null, false],
    ["1", false],
    ["2", true],
    ["2", true],
    ["3", true],
  ]);
  expect(seen).toEqual(["/last", "/a", "/b"]);
  expect(states).toEqual(["connecting", "live"]);
});

test("a lost connection comes back with growing waits, and continues at its cursor", async () => {
  const lost = () => new Unreachable("x");
  const { polls, waits, states, seen } = await run([
    { changes: [], nextCursor: "1" },
    lost(),
    lost(),
    lost(),
    { changes: [change("/missed")], nextCursor: "2" },
    lost(),
  ]);
  expect(waits).toEqual([1, 2, 4, 1]);
  expect(polls.map(([cursor]) => cursor)).toEqual([null, "1", "1", "1", "1", "2", "2"]);
  expect(seen).toEqual(["/missed"]);
  expect(states).toEqual(["connecting", "live", "waiting", "waiting", "waiting", "live", "waiting"]);
});

test("waits have a limit", async () => {
  const { waits } = await run(Array.from({ length: 12 }, () => new Unreachable("x")));
  expect(Math.max(...waits)).toBe(30);
});

test("a Retry-After is honoured", async () => {
  const { waits } = await run([problem(429, "TOO_MANY_ATTEMPTS", 77), problem(503, "STORE_UNAVAILABLE", 1)]);
  expect(waits).toEqual([77, 2]);
});

test("a cursor that has expired reads everything anew", async () => {
  const { polls, onGap, seen } = await run([
    { changes: [], nextCursor: "1" },
    problem(422, "CURSOR_EXPIRED"),
    full,
    { changes: [change("/now")], nextCursor: "3" },
  ]);
  expect(onGap).toHaveBeenCalledTimes(1);
  expect(polls.map(([cursor]) => cursor)).toEqual([null, "1", null, "1", "3"]);
  expect(seen).toEqual(["/now"]);
});

test("a session that is gone is not asked for again", async () => {
  const { polls, states } = await run([{ changes: [], nextCursor: "1" }, problem(404, "NOT_FOUND")]);
  expect(polls).toHaveLength(2);
  expect(states.at(-1)).toBe("ended");
});
