import { useQuery } from "@tanstack/react-query";
import { Ellipsis, UserCog, UserMinus } from "lucide-react";
import { type RefObject, useRef, useState } from "react";

import { hasCode } from "../../api/index.ts";
import { type Member, membersQuery } from "../../app/queries.ts";
import { managedRoles, ROLE_WORDS } from "../../app/roles.ts";
import { nameOf } from "../../app/shell.tsx";
import { useMay, useTenant } from "../../app/tenant-context.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { useAuth } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Dialog, Menu } from "../../ui/dialog.tsx";
import { Avatar } from "../../ui/marks.tsx";
import { ErrorNotice, Failure, Loading } from "../../ui/states.tsx";
import { Since } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "../account/section.tsx";
import { PageHead } from "../page-head.tsx";
import { useFocusAfterRemoval } from "./focus.ts";
import { Invitations } from "./invitations.tsx";
import { Leave } from "./leave.tsx";
import { useRefreshMembers } from "./refresh.ts";
import { ChangeRole } from "./role.tsx";

export default function Members() {
  const tenant = useTenant();
  const { data: members, error, isPending, refetch } = useQuery(membersQuery(tenant));
  const manages = useMay("manageMembers");
  const heading = useRef<HTMLHeadingElement>(null);
  return (
    <>
      <PageHead title="Members" lead={`Who works in ${tenant.name}.`} />
      <div className="sections">
        <Section
          title="Members"
          heading={heading}
          lead={
            tenant.role === "owner"
              ? "You are an owner: you manage everyone."
              : manages
                ? "You are an admin: you manage everyone but the owners."
                : `You are ${ROLE_WORDS[tenant.role].phrase}. Owners and admins manage the members.`
          }
        >
          {isPending ? (
            <Loading rows={3} label="Loading the members" />
          ) : !members ? (
            <Failure error={error} onRetry={() => void refetch()} />
          ) : (
            <>
              {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
              <ul className="list" aria-label="Members">
                {members.map((member) => (
                  <MemberRow key={member.user.id} member={member} heading={heading} />
                ))}
              </ul>
            </>
          )}
        </Section>
        <Invitations members={members ?? []} />
        <Leave members={members} error={error} onRetry={() => void refetch()} />
      </div>
    </>
  );
}

const icon = { className: "icon", "aria-hidden": true } as const;

function MemberRow({ member, heading }: { member: Member; heading: RefObject<HTMLElement | null> }) {
  const tenant = useTenant();
  const isSelf = useAuth((state) => state.user?.id === member.user.id);
  const [asked, setAsked] = useState<"role" | "removal" | null>(null);
  const { user, role, joinedAt } = member;
  const name = nameOf(user);
  const isManaged = managedRoles(tenant.role).includes(role);
  const close = () => setAsked(null);
  const leaves = useFocusAfterRemoval(heading);
  // A dialog that opens while the menu is still there would lose the focus to its button.
  const ask = (question: "role" | "removal") => setTimeout(() => setAsked(question));
  return (
    <li>
      <div className="item">
        <Avatar name={name} />
        <div className="item-main">
          <span className="row">
            <strong>{name}</strong>
            <span className="badge">{ROLE_WORDS[role].label}</span>
            {isSelf && (
              <span className="badge" data-tone="good">
                You
              </span>
            )}
          </span>
          <span className="muted small">
            {user.email !== name && `${user.email} · `}joined <Since time={joinedAt} />
          </span>
        </div>
        {isManaged && (
          <Menu
            trigger={
              <Button icon variant="quiet" aria-label={`Actions for ${name}`}>
                <Ellipsis aria-hidden="true" />
              </Button>
            }
            entries={[
              { label: "Change the role", icon: <UserCog {...icon} />, onSelect: () => ask("role") },
              // Whoever removes themselves leaves, which asks who owns the organisation then.
              ...(isSelf
                ? []
                : [
                    {
                      label: "Remove",
                      icon: <UserMinus {...icon} />,
                      onSelect: () => ask("removal"),
                      tone: "bad" as const,
                      line: true,
                    },
                  ]),
            ]}
          />
        )}
      </div>
      <Dialog open={asked === "role"} onClose={close} title={`The role of ${name}`}>
        <ChangeRole member={member} isSelf={isSelf} onClose={close} />
      </Dialog>
      <Removal member={member} open={asked === "removal"} onClose={close} onRemoved={leaves} />
    </li>
  );
}

interface RemovalProps {
  member: Member;
  open: boolean;
  onClose: () => void;
  onRemoved: () => void;
}

function Removal({ member, open, onClose, onRemoved }: RemovalProps) {
  const { id, name: organization, api } = useTenant();
  const refresh = useRefreshMembers();
  const name = nameOf(member.user);
  const { busy, error, submit, clear } = useSubmit(
    async () => {
      try {
        await api.DELETE("/organizations/{id}/members/{user}", { params: { path: { id, user: member.user.id } } });
        toast(`Removed ${name}.`);
      } catch (error) {
        // The member has left already, or was removed by somebody else: the list shows it.
        if (!hasCode(error, "NOT_FOUND")) throw error;
      }
    },
    {
      onDone: () => {
        onClose();
        onRemoved();
        refresh();
      },
    },
  );
  return (
    <Confirm
      open={open}
      onClose={() => {
        clear();
        onClose();
      }}
      title={`Remove ${name}?`}
      description={`Their access to ${organization} ends at once. What they created stays.`}
      action="Remove"
      destructive
      busy={busy}
      error={error}
      onConfirm={() => void submit()}
    />
  );
}
