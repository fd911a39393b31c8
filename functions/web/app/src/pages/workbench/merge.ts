import { diff3Merge } from "node-diff3";

export interface Merge {
  text: string;
  /** So many places were changed on both sides, and are marked in the text. */
  conflicts: number;
}

/** Comparing more lines than these takes too long. They then are one conflict. */
const LINES = 5_000;

/** Joins two changes of one text, line by line. Where both changed the same lines, the text has both, with marks. */
export function merge3(base: string, mine: string, theirs: string): Merge {
  if (mine === theirs || theirs === base) return { text: mine, conflicts: 0 };
  if (mine === base) return { text: theirs, conflicts: 0 };
  const sides = [linesOf(mine), linesOf(base), linesOf(theirs)] as const;
  const [a] = sides;
  const shortest = Math.min(...sides.map((lines) => lines.length));
  const equal = (index: (lines: string[]) => number) => sides.every((lines) => lines[index(lines)] === a[index(a)]);
  let start = 0;
  while (start < shortest && equal(() => start)) start += 1;
  let end = 0;
  while (end < shortest - start && equal((lines) => lines.length - 1 - end)) end += 1;
  const [my, common, their] = sides.map((lines) => lines.slice(start, lines.length - end)) as [
    string[],
    string[],
    string[],
  ];
  const eol = /\r\n/.test(base || mine) ? "\r\n" : "\n";
  const merged: string[] = [];
  let conflicts = 0;
  const conflict = (left: string[], right: string[]) => {
    conflicts += 1;
    merged.push(`<<<<<<< mine${eol}`, ...closed(left, eol), `=======${eol}`, ...closed(right, eol));
    merged.push(`>>>>>>> theirs${eol}`);
  };
  if (Math.max(my.length, common.length, their.length) > LINES) {
    conflict(my, their);
  } else {
    for (const region of diff3Merge(my, common, their, { excludeFalseConflicts: true })) {
      if (region.ok) for (const line of region.ok) merged.push(line);
      else if (region.conflict) conflict(region.conflict.a, region.conflict.b);
    }
  }
  const text = [...a.slice(0, start), ...merged, ...a.slice(a.length - end)].join("");
  return { text, conflicts };
}

/** The lines with their ends, so that joining them gives the text. */
const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** The lines, the last of which ends. */
function closed(lines: string[], eol: string): string[] {
  const last = lines.at(-1);
  return last === undefined || last.endsWith("\n") ? lines : [...lines.slice(0, -1), last + eol];
}
