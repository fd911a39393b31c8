import { expect, test } from "vitest";

import { merge3 } from "../../src/pages/workbench/merge.ts";

const lines = (...all: string[]) => all.map((line) => `${line}\n`).join("");

test("changes in different places are both kept", () => {
  const base = lines("a", "b", "c", "d", "e");
  const merged = merge3(base, lines("A", "b", "c", "d", "e"), lines("a", "b", "c", "d", "E"));
  expect(merged).toEqual({ text: lines("A", "b", "c", "d", "E"), conflicts: 0 });
});

test("an insertion and a deletion elsewhere are both kept", () => {
  const base = lines("a", "b", "c", "d");
  const merged = merge3(base, lines("a", "new", "b", "c", "d"), lines("a", "b", "c"));
  expect(merged).toEqual({ text: lines("a", "new", "b", "c"), conflicts: 0 });
});

test.each([
  ["the same change", "a\n", "b\n", "b\n", "b\n"],
  ["only mine", "a\n", "b\n", "a\n", "b\n"],
  ["only theirs", "a\n", "a\n", "b\n", "b\n"],
  ["nothing", "a\n", "a\n", "a\n", "a\n"],
])("%s has no conflict", (_, base, mine, theirs, text) => {
  expect(merge3(base, mine, theirs)).toEqual({ text, conflicts: 0 });
});

test("changes of one line are marked, with both sides and the lines around", () => {
  const { text, conflicts } = merge3(lines("a", "b", "c"), lines("a", "mine", "c"), lines("a", "theirs", "c"));
  expect(conflicts).toBe(1);
  expect(text).toBe(lines("a", "<<<<<<< mine", "mine", "=======", "theirs", ">>>>>>> theirs", "c"));
});

test("a last line without an end stays apart from the marks", () => {
  const { text, conflicts } = merge3("a", "mine", "theirs");
  expect(conflicts).toBe(1);
  expect(text).toBe("<<<<<<< mine\nmine\n=======\ntheirs\n>>>>>>> theirs\n");
});

test("the line ends of Windows are kept, also in the marks", () => {
  const { text } = merge3("a\r\nb\r\n", "a\r\nmine\r\n", "a\r\ntheirs\r\n");
  expect(text.replaceAll("\r\n", "")).not.toContain("\n");
});

test("equal lines between conflicts are not repeated", () => {
  const merged = merge3(lines("a", "b", "c"), lines("1", "b", "2"), lines("3", "b", "4"));
  expect(merged.conflicts).toBe(2);
  expect(merged.text.match(/^b$/gm)).toHaveLength(1);
});

test("texts that are too long to compare are one conflict, and lose nothing", () => {
  const many = (name: string) => Array.from({ length: 6000 }, (_, index) => `${name} ${index}`);
  const { text, conflicts } = merge3(
    lines("x", ...many("base")),
    lines("x", ...many("my")),
    lines("x", ...many("their")),
  );
  expect(conflicts).toBe(1);
  expect(text).toContain("my 5999\n");
  expect(text).toContain("their 5999\n");
  expect(text.startsWith("<<<<<<< mine\nx\nmy 0\n")).toBe(true);
});

test("many equal lines, like empty ones, are merged in an instant", () => {
  const empty = Array.from({ length: 5000 }, () => "");
  const merged = merge3(lines(...empty), lines("mine", ...empty), lines(...empty, "theirs"));
  expect(merged).toEqual({ text: lines("mine", ...empty, "theirs"), conflicts: 0 });
});

test("a long file with changes at both ends is merged", () => {
  const code = Array.from({ length: 20_000 }, (_, index) =>
    index % 6 === 0 ? "" : index % 9 === 0 ? "}" : `${index}`,
  );
  const merged = merge3(lines("a", ...code, "z"), lines("A", ...code, "z"), lines("a", ...code, "Z"));
  expect(merged).toEqual({ text: lines("A", ...code, "Z"), conflicts: 0 });
});

test("whatever both sides did, no new line is lost and none appears twice", () => {
  let seed = 1;
  const below = (limit: number) => (seed = (seed * 48_271) % 2_147_483_647) % limit;
  for (let round = 0; round < 500; round++) {
    const base = Array.from({ length: below(12) }, () => `b${below(4)}`);
    const edit = (name: string) =>
      base.flatMap((line, index) =>
        below(4) > 0 ? [line] : [[], [`${name}${index}`], [line, `${name}${index}`]][below(3)]!,
      );
    const [mine, theirs] = [edit("mine"), edit("theirs")];
    const { text, conflicts } = merge3(lines(...base), lines(...mine), lines(...theirs));
    const merged = text.split("\n");
    for (const line of [...mine, ...theirs].filter((line) => !line.startsWith("b"))) {
      expect(
        merged.filter((other) => other === line),
        `${round}: ${line}`,
      ).toHaveLength(1);
    }
    expect(merged.filter((line) => line === "=======")).toHaveLength(conflicts);
    // The sides have the same rights.
    expect(merge3(lines(...base), lines(...theirs), lines(...mine)).conflicts, `${round}`).toBe(conflicts);
  }
});
