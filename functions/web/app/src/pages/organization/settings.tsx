import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Link, useNavigate } from "react-router";

import { dataOf, hasCode, versionOf } from "../../api/index.ts";
import { organizationsQuery } from "../../app/queries.ts";
import { ROLE_WORDS } from "../../app/roles.ts";
import { useMay, useTenant } from "../../app/tenant-context.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { CopyButton } from "../../ui/marks.tsx";
import { ErrorNotice, Notice, useCountdown } from "../../ui/states.tsx";
import { When } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "../account/section.tsx";
import { PageHead } from "../page-head.tsx";

export default function Settings() {
  const { id, name, role, base } = useTenant();
  const { data } = useQuery(organizationsQuery);
  const organization = data?.organizations.find((organization) => organization.id === id);
  return (
    <>
      <PageHead title="Settings" lead={`The organisation ${name}.`} />
      <dl className="card facts">
        <div>
          <dt>Your role</dt>
          <dd>
            {ROLE_WORDS[role].label}: {ROLE_WORDS[role].about}
          </dd>
        </div>
        {organization && (
          <>
            <div>
              <dt>Members</dt>
              <dd>
                {organization.members} <Link to={`${base}/members`}>See the members</Link>
              </dd>
            </div>
            <div>
              <dt>Created</dt>
              <dd>
                <When time={organization.createdAt} />
              </dd>
            </div>
          </>
        )}
        <div>
          <dt>Id</dt>
          <dd>
            <code>{id}</code> <CopyButton text={id} what="the id" />
          </dd>
        </div>
      </dl>
      <div className="sections">
        <Rename />
        <Deletion />
      </div>
    </>
  );
}

interface Typed {
  name: string;
  /** The name that the user saw when they began. */
  seen: string;
}

/** What remains typed after `submitted` was saved: only what was typed meanwhile. */
export const typedAfter = (typed: Typed | null, submitted: string): Typed | null =>
  typed?.name === submitted ? null : typed;

/** Renames it, unless somebody else has done so since the user began to type. Then the user decides. */
function Rename() {
  const { id, name: current, api } = useTenant();
  const mayRename = useMay("rename");
  const client = useQueryClient();
  const [typed, setTyped] = useState<Typed | null>(null);
  const [theirs, setTheirs] = useState<string | null>(null);
  /** The name that was sent. The field stays editable meanwhile. */
  const submitted = useRef("");
  const name = typed?.name ?? current;
  const params = { path: { id } };
  const rename = async (attempt = 0): Promise<string | null> => {
    const { value, etag } = await versionOf(api.GET("/organizations/{id}", { params }));
    if (value.name !== (typed?.seen ?? current)) {
      setTyped((typed) => ({ name: typed?.name ?? name, seen: value.name }));
      setTheirs(value.name);
      return null;
    }
    try {
      const header = { "If-Match": etag };
      const { name: saved } = await dataOf(
        api.PATCH("/organizations/{id}", { params: { ...params, header }, body: { name } }),
      );
      return saved;
    } catch (error) {
      // The number of members is a part of the version, too.
      if (!hasCode(error, "PRECONDITION_FAILED") || attempt > 2) throw error;
      return rename(attempt + 1);
    }
  };
  const save = () => {
    submitted.current = name;
    return rename();
  };
  const { busy, error, errorOf, submit, form } = useSubmit(save, {
    fields: { "/name": "The name" },
    onDone: (saved) => {
      const read = client.invalidateQueries(organizationsQuery);
      if (saved === null) return;
      setTyped((typed) => typed && { ...typed, seen: saved });
      void read.then(() => setTyped((typed) => typedAfter(typed, submitted.current)));
      setTheirs(null);
      toast(`The organisation is called “${saved}” now.`);
    },
  });
  const left = useCountdown(error);
  return (
    <Section
      title="What it is called"
      lead={mayRename ? "All members see it." : "Only owners and admins can change it."}
    >
      <form className="stack" ref={form} onSubmit={submit} noValidate>
        <ErrorNotice error={error} />
        {theirs !== null && (
          <Notice tone="warn" title={`Somebody has named it “${theirs}” meanwhile`} role="alert">
            <div>Save again to use your name instead.</div>
          </Notice>
        )}
        <TextField
          label="Name"
          required
          maxLength={200}
          readOnly={!mayRename}
          value={name}
          error={errorOf("/name")}
          onChange={({ target: { value } }) => setTyped((typed) => ({ name: value, seen: typed?.seen ?? current }))}
        />
        {mayRename && (
          <div>
            <Button variant="primary" type="submit" busy={busy} disabled={left > 0 || name === current}>
              Save
            </Button>
          </div>
        )}
      </form>
    </Section>
  );
}

function Deletion() {
  const { name } = useTenant();
  const mayDelete = useMay("delete");
  const [confirming, setConfirming] = useState(false);
  return (
    <Section
      title="Delete the organisation"
      lead={mayDelete ? "For all members, at once and for good." : "Only owners can delete it."}
    >
      <div>
        <Button variant="warning" disabled={!mayDelete} onClick={() => setConfirming(true)}>
          Delete the organisation
        </Button>
      </div>
      <Dialog
        open={confirming}
        onClose={() => setConfirming(false)}
        title={`Delete “${name}”?`}
        description="All of its sessions with their files are removed, for all members. This cannot be undone."
      >
        <DeletionForm onClose={() => setConfirming(false)} />
      </Dialog>
    </Section>
  );
}

/** A name as a person sees it: without invisible characters, and with single spaces. */
const visible = (text: string): string =>
  text
    .normalize()
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
    .replace(/\s+/g, " ")
    .trim();

/** Whether the text is the name, as far as a person can see. */
export const isTyped = (text: string, name: string): boolean => visible(text) === visible(name);

function DeletionForm({ onClose }: { onClose: () => void }) {
  const { id, name, api } = useTenant();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const { busy, error, submit, form } = useSubmit(
    () => dataOf(api.DELETE("/organizations/{id}", { params: { path: { id } } })),
    {
      onDone: (_, isHere) => {
        toast(`Deleted “${name}”.`);
        if (isHere) void navigate("/app/sessions");
        void client.invalidateQueries(organizationsQuery);
      },
    },
  );
  const left = useCountdown(error);
  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      <ErrorNotice error={error} />
      <TextField
        label={`Type “${name}” to confirm`}
        required
        autoFocus
        spellCheck={false}
        autoCapitalize="none"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="danger" type="submit" busy={busy} disabled={left > 0 || !isTyped(typed, name)}>
          Delete
        </Button>
      </div>
    </form>
  );
}
