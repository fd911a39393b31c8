import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate } from "react-router";

import { dataOf, hasCode } from "../../api/index.ts";
import { type Member, organizationsQuery } from "../../app/queries.ts";
import { nameOf } from "../../app/shell.tsx";
import { useTenant } from "../../app/tenant-context.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { useAuth } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { SelectField } from "../../ui/field.tsx";
import { ErrorNotice, Failure, Loading, Notice, useCountdown } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "../account/section.tsx";
import { commitDeletions } from "../sessions/delete.ts";
import { useRefreshAfter } from "./refresh.ts";

/** Who can own the organisation after the user has left, and whether somebody has to become an owner for that. */
export function successionOf(members: readonly Member[], user: string | undefined) {
  const others = members.filter((member) => member.user.id !== user);
  const needsSuccessor = !others.some(({ role }) => role === "owner");
  return { candidates: others.filter(({ role }) => role !== "owner"), isAlone: others.length === 0, needsSuccessor };
}

interface LeaveProps {
  /** Undefined while they are not known. */
  members: readonly Member[] | undefined;
  /** Why the members could not be read. */
  error: unknown;
  onRetry: () => void;
}

export function Leave(props: LeaveProps) {
  const { name } = useTenant();
  const [leaving, setLeaving] = useState(false);
  return (
    <Section title="Leave" lead="Your access ends at once. What you created stays.">
      <div>
        <Button variant="warning" onClick={() => setLeaving(true)}>
          Leave the organisation
        </Button>
      </div>
      <Dialog
        open={leaving}
        onClose={() => setLeaving(false)}
        title={`Leave “${name}”?`}
        description="Your access ends at once. To come back, you need an invitation."
      >
        <LeaveForm {...props} onClose={() => setLeaving(false)} />
      </Dialog>
    </Section>
  );
}

export function LeaveForm({ members, onClose, ...failure }: LeaveProps & { onClose: () => void }) {
  const { role } = useTenant();
  if (members || role !== "owner") return <KnownLeaveForm members={members ?? []} onClose={onClose} />;
  // Without the members, nobody can say whether somebody else has to become an owner.
  return failure.error ? <Failure {...failure} /> : <Loading rows={2} label="Loading the members" />;
}

function KnownLeaveForm({ members, onClose }: { members: readonly Member[]; onClose: () => void }) {
  const { id, name, role, base, api } = useTenant();
  const user = useAuth((state) => state.user?.id);
  const client = useQueryClient();
  const navigate = useNavigate();
  const [successor, setSuccessor] = useState("");
  const { candidates, isAlone: hasNobody, needsSuccessor } = successionOf(members, user);
  const { busy, error, errorOf, submit, form } = useSubmit(
    async () => {
      const body = successor ? { successor } : {};
      // Deletions that wait for Undo need the membership.
      await commitDeletions();
      return dataOf(api.POST("/organizations/{id}/leave", { params: { path: { id } }, body }));
    },
    {
      fields: { "/successor": "The new owner" },
      onDone: (_, isHere) => {
        toast(`You have left “${name}”.`);
        if (isHere) void navigate("/app/sessions");
        void client.invalidateQueries(organizationsQuery);
      },
    },
  );
  const left = useCountdown(error);
  const isLastOwner = hasCode(error, "LAST_OWNER");
  const isOwner = role === "owner";
  const isAlone = isOwner && hasNobody;
  const asksForOwner = isOwner && candidates.length > 0;
  useRefreshAfter(error);
  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      {!(isLastOwner && asksForOwner) && <ErrorNotice error={error} />}
      {isAlone ? (
        <Notice tone="warn" title="You are the only member">
          <div>
            Nobody could own the organisation after you. Invite somebody first, or{" "}
            <Link to={`${base}/settings`}>delete the organisation</Link>.
          </div>
        </Notice>
      ) : (
        asksForOwner && (
          <SelectField
            label={needsSuccessor ? "New owner" : "New owner (optional)"}
            hint={
              needsSuccessor
                ? "You are the only owner, so another member has to become one."
                : "The organisation has other owners. You may name a further one."
            }
            value={successor}
            error={isLastOwner ? "Choose who owns the organisation after you." : errorOf("/successor")}
            onChange={(event) => setSuccessor(event.target.value)}
          >
            <option value="">{needsSuccessor ? "Choose a member" : "Nobody"}</option>
            {candidates.map(({ user }) => (
              <option key={user.id} value={user.id}>
                {nameOf(user)}
              </option>
            ))}
          </SelectField>
        )
      )}
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="danger" type="submit" busy={busy} disabled={left > 0 || isAlone}>
          Leave
        </Button>
      </div>
    </form>
  );
}
