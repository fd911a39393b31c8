import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { EVENT_TYPES } from "../../src/api/index.ts";
import { describeQuota } from "../../src/app/quotas.ts";
import { SCOPES } from "../../src/pages/account/tokens.tsx";
import { groupedTypes, labelOf, toneOf } from "../../src/pages/activity/sentences.ts";

const document = JSON.parse(readFileSync(new URL("../../../../../infra/openapi.json", import.meta.url), "utf8"));
const { schemas } = document.components;

test.each(schemas.Quota.properties.name.enum as Parameters<typeof describeQuota>[0][])(
  "the quota %s has a description",
  (name) => {
    const { label, about, advice } = describeQuota(name);
    expect([label, about, advice].every((text) => /\w/.test(text))).toBe(true);
  },
);

test("every type of event has a sentence and a group", () => {
  for (const type of EVENT_TYPES) expect(labelOf(type)).not.toBe(type);
  expect(groupedTypes(EVENT_TYPES).map(([group]) => group)).not.toContain("Other");
});

test("an event of a later version is shown by its type", () => {
  for (const type of ["session.teleported", "constructor"]) {
    expect([labelOf(type), toneOf(type)]).toEqual([type, "plain"]);
  }
});

test("a token can read and write sessions and files, and read the activity", () => {
  const scopes = SCOPES.map(({ scope }) => scope);
  const expected = ["sessions:read", "sessions:write", "files:read", "files:write", "audit:read"];
  expect(scopes).toEqual(expected);
  expect(schemas.TokenScope.enum).toEqual(expect.arrayContaining(expected));
});
