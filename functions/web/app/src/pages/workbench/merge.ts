import { diffArrays } from "diff";

export interface Merge {
  text: string;
  /** So many places were changed on both sides, and are marked in the text. */
  conflicts: number;
}

/** More changed lines than these on one side take too long to find. Then the whole text is one conflict. */
const EDITS = 1_000;

/**
 * Joins two changes of one text, line by line. Where both changed the same lines, the text has both, with marks.
 *
 * This is diff3: lines that both sides have kept divide the texts into regions, and each region has the lines of the
 * side that changed it (Khanna, Kunal and Pierce, "A Formal Investigation of Diff3", 2007).
 */
export function merge3(base: string, mine: string, theirs: string): Merge {
  if (mine === theirs || theirs === base) return { text: mine, conflicts: 0 };
  if (mine === base) return { text: theirs, conflicts: 0 };
  const [my, common, their] = [linesOf(mine), linesOf(base), linesOf(theirs)];
  const eol = /\r\n/.test(base || mine) ? "\r\n" : "\n";
  const merged: string[] = [];
  let conflicts = 0;
  const region = (left: string[], middle: string[], right: string[]) => {
    const [a, o, b] = [left, middle, right].map((lines) => lines.join(""));
    if (a === b || b === o) return void append(merged, left);
    if (a === o) return void append(merged, right);
    conflicts += 1;
    merged.push(`<<<<<<< mine${eol}`);
    append(merged, closed(left, eol));
    merged.push(`=======${eol}`);
    append(merged, closed(right, eol));
    merged.push(`>>>>>>> theirs${eol}`);
  };
  const inMine = keptLines(common, my);
  const inTheirs = keptLines(common, their);
  if (inMine && inTheirs) {
    let [a, o, b] = [0, 0, 0];
    common.forEach((line, index) => {
      const [atMine, atTheirs] = [inMine.get(index), inTheirs.get(index)];
      if (atMine === undefined || atTheirs === undefined) return;
      region(my.slice(a, atMine), common.slice(o, index), their.slice(b, atTheirs));
      merged.push(line);
      [a, o, b] = [atMine + 1, index + 1, atTheirs + 1];
    });
    region(my.slice(a), common.slice(o), their.slice(b));
  } else {
    region(my, common, their);
  }
  return { text: merged.join(""), conflicts };
}

/** Where the lines of `before` that were kept are in `after`; undefined if too many were changed. */
function keptLines(before: string[], after: string[]): Map<number, number> | undefined {
  const parts = diffArrays(before, after, { maxEditLength: EDITS });
  if (!parts) return undefined;
  const kept = new Map<number, number>();
  let [from, to] = [0, 0];
  for (const { added, removed, count } of parts) {
    if (!added && !removed) for (let line = 0; line < count; line++) kept.set(from + line, to + line);
    if (!added) from += count;
    if (!removed) to += count;
  }
  return kept;
}

/** Like `push`, for any number of lines. */
function append(to: string[], lines: readonly string[]): void {
  for (const line of lines) to.push(line);
}

/** The lines with their ends, so that joining them gives the text. */
const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** The lines, the last of which ends. */
function closed(lines: string[], eol: string): string[] {
  const last = lines.at(-1);
  return last === undefined || last.endsWith("\n") ? lines : [...lines.slice(0, -1), last + eol];
}
