import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Mail, MailPlus } from "lucide-react";
import { type RefObject, useRef, useState } from "react";

import { type components, dataOf, hasCode } from "../../api/index.ts";
import { invitationsQuery, type Member } from "../../app/queries.ts";
import { managedRoles, type Role, ROLE_WORDS } from "../../app/roles.ts";
import { nameOf } from "../../app/shell.tsx";
import { useMay, useTenant } from "../../app/tenant-context.ts";
import { useCreateAttempts, useSubmit } from "../../app/use-submit.ts";
import { Button } from "../../ui/button.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { TextField } from "../../ui/field.tsx";
import { duration, ErrorNotice, Failure, Loading, useCountdown } from "../../ui/states.tsx";
import { Since } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "../account/section.tsx";
import { useFocusAfterRemoval } from "./focus.ts";
import { RoleField } from "./role.tsx";

type Invitation = components["schemas"]["Invitation"];

/** Who is invited. Only owners and admins see it. */
export function Invitations({ members }: { members: readonly Member[] }) {
  const tenant = useTenant();
  const manages = useMay("manageMembers");
  const client = useQueryClient();
  const { data, error, isPending, refetch } = useQuery({ ...invitationsQuery(tenant), enabled: manages });
  const [sent, setSent] = useState(0);
  const heading = useRef<HTMLHeadingElement>(null);
  if (!manages) return null;
  const refresh = () => void client.invalidateQueries(invitationsQuery(tenant));
  return (
    <Section title="Invitations" heading={heading} lead="Each email has a link that works once, within seven days.">
      {/* Each invitation is a form of its own, so that inviting an address again is another request. */}
      <Invite
        key={sent}
        isNext={sent > 0}
        onInvited={() => {
          setSent(sent + 1);
          refresh();
        }}
      />
      {isPending ? (
        <Loading rows={1} label="Loading the invitations" />
      ) : !data ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : data.invitations.length === 0 ? (
        <p className="muted">No invitation is pending.</p>
      ) : (
        <>
          {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
          <ul className="list" aria-label="Pending invitations">
            {data.invitations.map((invitation) => (
              <InvitationRow key={invitation.id} {...{ invitation, members, heading }} onRevoked={refresh} />
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}

function Invite({ isNext, onInvited }: { isNext: boolean; onInvited: () => void }) {
  const { id, api } = useTenant();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("member");
  const attempts = useCreateAttempts();
  const { busy, error, errorOf, submit, form } = useSubmit(
    () => {
      const { key, body } = attempts.of({ email, role });
      const params = { path: { id }, header: { "Idempotency-Key": key } };
      return dataOf(api.POST("/organizations/{id}/invitations", { params, body }));
    },
    {
      fields: { "/email": "The email", "/role": "The role" },
      onDone: (invitation) => {
        toast(`Invited ${invitation.email}.`);
        onInvited();
      },
    },
  );
  const left = useCountdown(error);
  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      <ErrorNotice error={error} />
      <div className="pair">
        <TextField
          label="Email"
          type="email"
          required
          autoFocus={isNext}
          value={email}
          error={errorOf("/email")}
          onChange={(event) => setEmail(event.target.value)}
        />
        <RoleField role={role} error={errorOf("/role")} onChange={setRole} />
      </div>
      <div>
        <Button variant="primary" type="submit" busy={busy} disabled={left > 0}>
          <MailPlus aria-hidden="true" /> {left > 0 ? `Try again in ${duration(left)}` : "Invite"}
        </Button>
      </div>
    </form>
  );
}

interface RowProps {
  invitation: Invitation;
  members: readonly Member[];
  heading: RefObject<HTMLElement | null>;
  onRevoked: () => void;
}

function InvitationRow({ invitation, members, heading, onRevoked }: RowProps) {
  const leaves = useFocusAfterRemoval(heading);
  const tenant = useTenant();
  const [confirming, setConfirming] = useState(false);
  const { id, email, role, invitedBy, expiresAt } = invitation;
  const inviter = members.find(({ user }) => user.id === invitedBy);
  const isManaged = managedRoles(tenant.role).includes(role);
  const { busy, error, submit, clear } = useSubmit(
    async () => {
      const params = { path: { id: tenant.id, invitation: id } };
      try {
        await tenant.api.DELETE("/organizations/{id}/invitations/{invitation}", { params });
        toast(`Revoked the invitation of ${email}.`);
      } catch (error) {
        // It was accepted or revoked already, or it is too old: the list shows it.
        if (!hasCode(error, "NOT_FOUND")) throw error;
      }
    },
    {
      onDone: () => {
        setConfirming(false);
        leaves();
        onRevoked();
      },
    },
  );
  return (
    <li>
      <div className="item">
        <Mail className="icon" aria-hidden="true" />
        <div className="item-main">
          <span className="row">
            <strong>{email}</strong>
            <span className="badge">{ROLE_WORDS[role].label}</span>
          </span>
          <span className="muted small">
            {inviter && `invited by ${nameOf(inviter.user)} · `}expires <Since time={expiresAt} />
            {!isManaged && " · only owners can revoke it"}
          </span>
        </div>
        {isManaged && (
          <Button
            size="small"
            variant="warning"
            aria-label={`Revoke the invitation of ${email}`}
            onClick={() => setConfirming(true)}
          >
            Revoke
          </Button>
        )}
      </div>
      <Confirm
        open={confirming}
        onClose={() => {
          clear();
          setConfirming(false);
        }}
        title={`Revoke the invitation of ${email}?`}
        description="The link in its email does not work any more."
        action="Revoke"
        destructive
        busy={busy}
        error={error}
        onConfirm={() => void submit()}
      />
    </li>
  );
}
