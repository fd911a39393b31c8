import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Monitor, Moon, Sun } from "lucide-react";
import { ToggleGroup } from "radix-ui";
import { useState } from "react";

import { type components, hasCode, versionOf } from "../../api/index.ts";
import { accountQuery } from "../../app/queries.ts";
import { useShortcuts } from "../../app/shortcuts.ts";
import { type Theme, useTheme } from "../../app/theme.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { api } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { SwitchField, TextField } from "../../ui/field.tsx";
import { ErrorNotice, Failure, Loading, Notice } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { EmailSection } from "./email.tsx";
import { changesOf, conflictsOf, type Name, NAMES, rebased, textsOf } from "./merge.ts";
import { PictureSection } from "./picture.tsx";
import { Section } from "./section.tsx";

type Account = components["schemas"]["Account"];
type Versioned = { value: Account; etag: string };

export default function Profile() {
  const { data, error, isPending, refetch } = useQuery(accountQuery);
  if (isPending) return <Loading rows={4} label="Loading the account" />;
  if (!data) return <Failure error={error} onRetry={() => void refetch()} />;
  return (
    <>
      <NamesSection account={data} />
      <PictureSection account={data.value} />
      <EmailSection account={data.value} />
      <Appearance />
      <Shortcuts />
      <Notifications account={data.value} />
    </>
  );
}

const LABELS: Record<Name, string> = { firstName: "First name", lastName: "Last name", company: "Company" };

function NamesSection({ account }: { account: Versioned }) {
  const client = useQueryClient();
  // The version that the user started from: a change of somebody else meanwhile is not overwritten unseen.
  const [base, setBase] = useState(account);
  const [form, setForm] = useState(() => textsOf(account.value));
  /** A newer version, in which somebody else has changed what the user is changing. */
  const [theirs, setTheirs] = useState<Versioned | null>(null);

  /** Puts the input on top of a newer version, and says whether no decision is needed. */
  const rebase = (newest: Versioned): boolean => {
    const [from, to] = [textsOf(base.value), textsOf(newest.value)];
    if (conflictsOf(from, form, to).length > 0) return false;
    setBase(newest);
    setForm(rebased(from, form, to));
    return true;
  };
  // The page has read a newer version: after the user's own change of the picture, for example.
  const [seen, setSeen] = useState(account);
  if (account.etag !== seen.etag) {
    setSeen(account);
    if (account.etag !== base.etag) rebase(account);
  }

  const save = (from: Versioned) => {
    const body = changesOf(textsOf(from.value), rebased(textsOf(base.value), form, textsOf(from.value)));
    // The other side has made the same change.
    if (Object.keys(body).length === 0) return Promise.resolve(from);
    return versionOf(api.PATCH("/users/me", { body, params: { header: { "If-Match": from.etag } } }));
  };
  const saved = async (result: Versioned) => {
    // A read that began before would bring back the old version.
    await client.cancelQueries(accountQuery);
    client.setQueryData(accountQuery.queryKey, result);
    setBase(result);
    setSeen(result);
    setForm(textsOf(result.value));
    toast("Saved the profile.");
  };
  const {
    busy,
    error,
    errorOf,
    submit,
    form: ref,
  } = useSubmit(
    async () => {
      setTheirs(null);
      try {
        return await saved(await save(base));
      } catch (error) {
        if (!hasCode(error, "PRECONDITION_FAILED")) throw error;
      }
      const newest = await client.fetchQuery({ ...accountQuery, staleTime: 0 });
      if (conflictsOf(textsOf(base.value), form, textsOf(newest.value)).length > 0) return setTheirs(newest);
      await saved(await save(newest));
    },
    { fields: { "/firstName": "The first name", "/lastName": "The last name", "/company": "The company" } },
  );
  const changed = NAMES.some((name) => form[name] !== textsOf(base.value)[name]);
  const field = (name: Name) => ({
    label: LABELS[name],
    value: form[name],
    error: errorOf(`/${name}`),
    maxLength: 200,
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value }),
  });
  /** Decides for the input or for the other side, for the members that both have changed. */
  const decide = (newest: Versioned, mine: boolean) => {
    const [from, to] = [textsOf(base.value), textsOf(newest.value)];
    const merged = rebased(from, form, to);
    for (const name of mine ? [] : conflictsOf(from, form, to)) merged[name] = to[name];
    setBase(newest);
    setForm(merged);
    setTheirs(null);
  };
  return (
    <Section title="Profile" lead="How others see you.">
      <form className="stack" ref={ref} onSubmit={submit} noValidate>
        {theirs ? (
          <Notice tone="warn" title="The account was changed elsewhere" role="alert">
            {conflictsOf(textsOf(base.value), form, textsOf(theirs.value)).map((name) => (
              <div key={name}>
                {LABELS[name]}: {theirs.value[name] ? `“${theirs.value[name]}”` : "empty"}
              </div>
            ))}
            <div className="row">
              <Button size="small" onClick={() => decide(theirs, true)}>
                Keep mine
              </Button>
              <Button size="small" onClick={() => decide(theirs, false)}>
                Take over
              </Button>
            </div>
          </Notice>
        ) : (
          <ErrorNotice error={error} />
        )}
        <div className="pair">
          <TextField autoComplete="given-name" {...field("firstName")} />
          <TextField autoComplete="family-name" {...field("lastName")} />
        </div>
        <TextField autoComplete="organization" {...field("company")} />
        <div className="row">
          <Button variant="primary" type="submit" busy={busy} disabled={!changed}>
            Save
          </Button>
          {changed && (
            <Button variant="quiet" onClick={() => setForm(textsOf(base.value))}>
              Discard
            </Button>
          )}
        </div>
      </form>
    </Section>
  );
}

const THEMES: { value: Theme; label: string; icon: typeof Sun }[] = [
  { value: "system", label: "System", icon: Monitor },
  { value: "light", label: "Light", icon: Sun },
  { value: "dark", label: "Dark", icon: Moon },
];

function Appearance() {
  const { theme, choose } = useTheme();
  return (
    <Section title="Appearance" lead="Kept in this browser.">
      <ToggleGroup.Root
        className="segments"
        type="single"
        value={theme}
        aria-label="Theme"
        onValueChange={(value) => value && choose(value as Theme)}
      >
        {THEMES.map(({ value, label, icon: Icon }) => (
          <ToggleGroup.Item key={value} value={value}>
            <span className="row">
              <Icon className="icon" aria-hidden="true" /> {label}
            </span>
          </ToggleGroup.Item>
        ))}
      </ToggleGroup.Root>
    </Section>
  );
}

function Shortcuts() {
  const { on, choose } = useShortcuts();
  return (
    <Section title="Keyboard" lead="Kept in this browser.">
      <SwitchField
        label="Single-key shortcuts"
        hint="In the list of sessions, n creates a session and / searches."
        checked={on}
        onChange={choose}
      />
    </Section>
  );
}

function Notifications({ account }: { account: Account }) {
  const client = useQueryClient();
  const stored = account.preferences.notifications?.newDevice ?? true;
  const [wanted, setWanted] = useState(stored);
  const { busy, error, submit } = useSubmit(async () => {
    const newDevice = !stored;
    setWanted(newDevice);
    try {
      const body = { preferences: { notifications: { newDevice } } as object };
      client.setQueryData(accountQuery.queryKey, await versionOf(api.PATCH("/users/me", { body })));
    } catch (error) {
      setWanted(stored);
      throw error;
    }
  });
  return (
    <Section title="Notifications">
      <ErrorNotice error={error} />
      <SwitchField
        label="New devices"
        hint="Send me an email when somebody signs in to my account with a new device."
        checked={busy ? wanted : stored}
        onChange={() => void submit()}
      />
    </Section>
  );
}
