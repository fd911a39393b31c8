import { type ReactNode, type Ref, useId } from "react";

interface Props {
  title: string;
  lead?: ReactNode;
  /** The heading, for pages that move the focus there. */
  heading?: Ref<HTMLHeadingElement>;
  children: ReactNode;
}

export function Section({ title, lead, heading, children }: Props) {
  const id = useId();
  return (
    <section className="section" aria-labelledby={id}>
      <div className="section-head">
        <h2 id={id} ref={heading} {...(heading && { tabIndex: -1 })}>
          {title}
        </h2>
        {lead && <p className="muted small">{lead}</p>}
      </div>
      <div className="card section-body stack">{children}</div>
    </section>
  );
}
