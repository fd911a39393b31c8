import { useQuery } from "@tanstack/react-query";
import { Activity, Boxes, BookOpen, Gauge, LogOut, UserRound } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { NavLink, useLocation } from "react-router";

import { commitDeletions } from "../pages/sessions/delete.ts";
import { apiOrigin, useAuth } from "../stores/auth-store.ts";
import { Button } from "../ui/button.tsx";
import { Menu } from "../ui/dialog.tsx";
import { Avatar, Logo } from "../ui/marks.tsx";
import { toast } from "../ui/toast.tsx";
import { explain } from "../ui/states.tsx";
import { Banners } from "./banners.tsx";
import { PasswordPrompt, SignInAgain } from "./prompts.tsx";
import { accountQuery } from "./queries.ts";

const PLACES = [
  { to: "/app/sessions", label: "Sessions", icon: Boxes },
  { to: "/app/activity", label: "Activity", icon: Activity },
  { to: "/app/usage", label: "Usage", icon: Gauge },
  { to: "/app/account", label: "Account", icon: UserRound },
];

export function nameOf(user: { firstName: string | null; lastName: string | null; email: string } | null): string {
  if (!user) return "";
  return [user.firstName, user.lastName].filter(Boolean).join(" ") || user.email;
}

export function usePicture(path: string | null | undefined): string | null {
  const [origin, setOrigin] = useState<string>();
  const demo = useAuth((state) => state.demo);
  useEffect(() => {
    if (path && !demo) void apiOrigin().then(setOrigin, () => undefined);
  }, [path, demo]);
  return path && origin ? origin + path : null;
}

export function Shell({ children }: { children: ReactNode }) {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const first = useRef(true);
  // After a navigation, screen readers and the keyboard continue at the new page.
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [pathname]);
  return (
    <div className="shell">
      <a className="skip" href="#content" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the content
      </a>
      <header className="side">
        <div className="brand">
          <Logo /> <span>Coditect</span>
        </div>
        <nav className="places" aria-label="Main">
          {PLACES.map(({ to, label, icon: Icon }) => (
            <NavLink key={to} to={to}>
              <Icon className="icon" aria-hidden="true" />
              <span>{label}</span>
            </NavLink>
          ))}
        </nav>
        <UserMenu />
      </header>
      <main id="content" ref={main} tabIndex={-1}>
        <Banners />
        {children}
      </main>
      <SignInAgain />
      <PasswordPrompt />
    </div>
  );
}

function UserMenu() {
  const user = useAuth((state) => state.user);
  const tenant = useAuth((state) => state.tenant);
  const demo = useAuth((state) => state.demo);
  const logout = useAuth((state) => state.logout);
  const { data } = useQuery(accountQuery);
  const account = data?.value;
  const picture = usePicture(account?.avatarUrl);
  const [docs, setDocs] = useState<string>();
  useEffect(() => {
    if (!demo)
      void apiOrigin().then(
        (origin) => setDocs(`${origin}/v5/docs`),
        () => undefined,
      );
  }, [demo]);
  const signOut = () =>
    commitDeletions()
      .then(logout)
      .catch((error: unknown) =>
        toast(`You are still signed in. ${explain(error).title}.`, {
          tone: "bad",
          action: { label: "Try again", run: signOut },
        }),
      );
  const name = nameOf(account ?? user);
  const place = demo ? "Demo" : tenant?.name;
  return (
    <div className="who">
      <Menu
        trigger={
          <Button variant="quiet" className="who-button">
            <Avatar name={name} src={picture} />
            <span className="who-name">
              <span className="truncate">{name}</span>
              {place !== name && <span className="truncate muted small">{place}</span>}
            </span>
            <span className="sr">: menu</span>
          </Button>
        }
        entries={[
          { label: "Account", to: "/app/account", icon: <UserRound className="icon" aria-hidden="true" /> },
          ...(docs
            ? [
                {
                  label: "API documentation",
                  icon: <BookOpen className="icon" aria-hidden="true" />,
                  onSelect: () => void window.open(docs, "_blank", "noopener"),
                },
              ]
            : []),
          {
            label: demo ? "Leave the demo" : "Sign out",
            icon: <LogOut className="icon" aria-hidden="true" />,
            onSelect: () => void signOut(),
            line: true,
          },
        ]}
      />
    </div>
  );
}
