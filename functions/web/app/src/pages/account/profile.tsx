import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Monitor, Moon, Sun } from "lucide-react";
import { ToggleGroup } from "radix-ui";
import { useState } from "react";

import { type components, hasCode, versionOf } from "../../api/index.ts";
import { accountQuery } from "../../app/queries.ts";
import { type Theme, useTheme } from "../../app/theme.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { api } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { SwitchField, TextField } from "../../ui/field.tsx";
import { ErrorNotice, Failure, Loading, Notice } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { EmailSection } from "./email.tsx";
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
      <Notifications account={data.value} />
    </>
  );
}

const NAMES = ["firstName", "lastName", "company"] as const;

function NamesSection({ account }: { account: Versioned }) {
  const client = useQueryClient();
  // The version that the user started from: a change of somebody else meanwhile is not overwritten unseen.
  const [base, setBase] = useState(account);
  const [form, setForm] = useState(() => textsOf(account.value));
  const {
    busy,
    error,
    errorOf,
    submit,
    form: ref,
    clear,
  } = useSubmit(
    async () => {
      const body = Object.fromEntries(NAMES.map((name) => [name, form[name].trim() || null]));
      const saved = await versionOf(api.PATCH("/users/me", { body, params: { header: { "If-Match": base.etag } } }));
      client.setQueryData(accountQuery.queryKey, saved);
      setBase(saved);
      setForm(textsOf(saved.value));
    },
    {
      fields: { "/firstName": "The first name", "/lastName": "The last name", "/company": "The company" },
      onDone: () => toast("Saved the profile."),
    },
  );
  const changed = NAMES.some((name) => form[name] !== textsOf(base.value)[name]);
  const field = (name: (typeof NAMES)[number]) => ({
    value: form[name],
    error: errorOf(`/${name}`),
    maxLength: 200,
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value }),
  });
  const takeNewest = async () => {
    const newest = await client.fetchQuery({ ...accountQuery, staleTime: 0 });
    setBase(newest);
    clear();
  };
  return (
    <Section title="Profile" lead="How others see you.">
      <form className="stack" ref={ref} onSubmit={submit} noValidate>
        {hasCode(error, "PRECONDITION_FAILED") ? (
          <Notice tone="warn" title="The account was changed elsewhere" role="alert">
            <div>Your input is still here. Take over the newest version, and save again.</div>
            <div>
              <Button size="small" onClick={() => void takeNewest()}>
                Take over
              </Button>
            </div>
          </Notice>
        ) : (
          <ErrorNotice error={error} />
        )}
        <div className="pair">
          <TextField label="First name" autoComplete="given-name" {...field("firstName")} />
          <TextField label="Last name" autoComplete="family-name" {...field("lastName")} />
        </div>
        <TextField label="Company" autoComplete="organization" {...field("company")} />
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

function textsOf({ firstName, lastName, company }: Account) {
  return { firstName: firstName ?? "", lastName: lastName ?? "", company: company ?? "" };
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
