import { Check, CircleAlert, Eye, EyeOff } from "lucide-react";
import { Checkbox as CheckboxPrimitive, Switch as SwitchPrimitive } from "radix-ui";
import { type ComponentPropsWithRef, type ReactNode, useId, useState } from "react";

import { Button } from "./button.tsx";

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: string | undefined;
}

/** The attributes that connect a control with its label, hint and error. */
function useField({ hint, error }: Pick<FieldProps, "hint" | "error">) {
  const id = useId();
  const hintId = hint ? `${id}-hint` : undefined;
  const errorId = error ? `${id}-error` : undefined;
  const describedBy = [errorId, hintId].filter(Boolean).join(" ") || undefined;
  return {
    id,
    hintId,
    errorId,
    control: { id, "aria-invalid": error ? true : undefined, "aria-describedby": describedBy },
  };
}

function FieldText({
  hint,
  hintId,
  error,
  errorId,
}: {
  hint?: ReactNode;
  hintId?: string | undefined;
  error?: string | undefined;
  errorId?: string | undefined;
}) {
  return (
    <>
      {error && (
        <p className="field-error" id={errorId}>
          <CircleAlert className="icon" aria-hidden="true" />
          {error}
        </p>
      )}
      {hint && (
        <p className="hint" id={hintId}>
          {hint}
        </p>
      )}
    </>
  );
}

export function TextField({ label, hint, error, ...input }: FieldProps & ComponentPropsWithRef<"input">) {
  const { id, hintId, errorId, control } = useField({ hint, error });
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input className="input" type="text" autoComplete="off" {...input} {...control} />
      <FieldText {...{ hint, hintId, error, errorId }} />
    </div>
  );
}

/** A password whose text can be shown. Nothing limits what people paste. */
export function PasswordField({ label, hint, error, ...input }: FieldProps & ComponentPropsWithRef<"input">) {
  const { id, hintId, errorId, control } = useField({ hint, error });
  const [shown, setShown] = useState(false);
  const Icon = shown ? EyeOff : Eye;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="with-button">
        <input
          className="input"
          autoCapitalize="none"
          spellCheck={false}
          {...input}
          type={shown ? "text" : "password"}
          {...control}
        />
        <Button
          icon
          variant="quiet"
          aria-label={shown ? "Hide the password" : "Show the password"}
          aria-pressed={shown}
          onClick={() => setShown(!shown)}
        >
          <Icon aria-hidden="true" />
        </Button>
      </div>
      <FieldText {...{ hint, hintId, error, errorId }} />
    </div>
  );
}

export function SelectField({ label, hint, error, children, ...select }: FieldProps & ComponentPropsWithRef<"select">) {
  const { id, hintId, errorId, control } = useField({ hint, error });
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select className="input" {...select} {...control}>
        {children}
      </select>
      <FieldText {...{ hint, hintId, error, errorId }} />
    </div>
  );
}

interface CheckProps {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
}

export function CheckField({ label, hint, checked, onChange, disabled }: CheckProps) {
  const id = useId();
  return (
    <div className="check">
      <CheckboxPrimitive.Root
        className="check-box"
        id={id}
        checked={checked}
        disabled={disabled ?? false}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onCheckedChange={(state) => onChange(state === true)}
      >
        <CheckboxPrimitive.Indicator asChild>
          <Check aria-hidden="true" />
        </CheckboxPrimitive.Indicator>
      </CheckboxPrimitive.Root>
      <div>
        <label htmlFor={id}>{label}</label>
        {hint && (
          <p className="hint" id={`${id}-hint`}>
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}

export function SwitchField({ label, hint, checked, onChange, disabled }: CheckProps) {
  const id = useId();
  return (
    <div className="row between">
      <div>
        <label className="label" htmlFor={id}>
          {label}
        </label>
        {hint && (
          <p className="hint" id={`${id}-hint`}>
            {hint}
          </p>
        )}
      </div>
      <SwitchPrimitive.Root
        className="switch"
        id={id}
        checked={checked}
        disabled={disabled ?? false}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onCheckedChange={onChange}
      >
        <SwitchPrimitive.Thumb className="switch-thumb" />
      </SwitchPrimitive.Root>
    </div>
  );
}
