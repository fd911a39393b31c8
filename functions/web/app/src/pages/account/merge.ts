/** The members of the profile that the form changes, as texts. */
export const NAMES = ["firstName", "lastName", "company"] as const;
export type Name = (typeof NAMES)[number];
export type Texts = Record<Name, string>;

export function textsOf(account: Record<Name, string | null>): Texts {
  const { firstName, lastName, company } = account;
  return { firstName: firstName ?? "", lastName: lastName ?? "", company: company ?? "" };
}

/** The members that differ from the version that the user started from: the body of the `PATCH`. */
export function changesOf(base: Texts, mine: Texts): Partial<Record<Name, string | null>> {
  const changed = NAMES.filter((name) => mine[name] !== base[name]);
  return Object.fromEntries(changed.map((name) => [name, mine[name].trim() || null]));
}

/** The members that both sides have changed, each in another way. */
export function conflictsOf(base: Texts, mine: Texts, theirs: Texts): Name[] {
  return NAMES.filter(
    (name) => mine[name] !== base[name] && theirs[name] !== base[name] && mine[name] !== theirs[name],
  );
}

/** What the user has changed, on top of a newer version. */
export function rebased(base: Texts, mine: Texts, theirs: Texts): Texts {
  const newest = (name: Name) => (mine[name] === base[name] ? theirs[name] : mine[name]);
  return { firstName: newest("firstName"), lastName: newest("lastName"), company: newest("company") };
}
