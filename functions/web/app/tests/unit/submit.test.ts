import { createElement } from "react";
import { expect, test, vi } from "vitest";

import { useSubmit } from "../../src/app/use-submit.ts";
import { mount } from "./mount.ts";

test.each([
  ["stays at", true],
  ["has left", false],
])("a form that the user %s says so when its request is done", async (_, stays) => {
  const onDone = vi.fn();
  let answer: (result: string) => void = () => undefined;
  let submit: (() => Promise<void>) | undefined;
  const Form = () => {
    submit = useSubmit(() => new Promise<string>((resolve) => (answer = resolve)), { onDone }).submit;
    return null;
  };
  const leave = mount(createElement(Form));
  await vi.waitFor(() => expect(submit).toBeDefined());
  await new Promise((resolve) => setTimeout(resolve, 10));
  const done = submit?.();
  if (!stays) leave();
  await new Promise((resolve) => setTimeout(resolve, 10));
  answer("created");
  await done;
  expect(onDone.mock.calls).toEqual([["created", stays]]);
});
