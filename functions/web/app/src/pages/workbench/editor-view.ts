// CodeMirror with what this application needs. Loaded when the first file is opened.

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  defaultHighlightStyle,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  type LanguageSupport,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

import { nameOf } from "./paths.ts";

/** The colours are the application's tokens, so that one theme serves light and dark. */
const theme = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "0.84375rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--accent-soft)",
  },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)", borderColor: "var(--line)" },
  ".cm-textfield": { backgroundColor: "var(--raised)", borderColor: "var(--line-strong)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--surface)", borderColor: "var(--line-strong)" },
  ".cm-searchMatch": { backgroundColor: "var(--warn-soft)", outline: "1px solid var(--warn)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--sunken)", color: "var(--muted)", border: "none" },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier, tags.tagName], color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--warn)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--danger)" },
  { tag: [tags.comment, tags.meta], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.heading, tags.definition(tags.variableName), tags.typeName], fontWeight: "600" },
  { tag: tags.link, color: "var(--accent)", textDecoration: "underline" },
]);

async function languageOf(path: string): Promise<LanguageSupport | undefined> {
  const extension = nameOf(path).split(".").at(-1)?.toLowerCase() ?? "";
  switch (extension) {
    case "js":
    case "jsx":
    case "mjs":
    case "cjs":
      return (await import("@codemirror/lang-javascript")).javascript({ jsx: true });
    case "ts":
    case "tsx":
    case "mts":
      return (await import("@codemirror/lang-javascript")).javascript({ jsx: extension === "tsx", typescript: true });
    case "json":
      return (await import("@codemirror/lang-json")).json();
    case "css":
      return (await import("@codemirror/lang-css")).css();
    case "html":
    case "htm":
      return (await import("@codemirror/lang-html")).html();
    case "md":
    case "markdown":
      return (await import("@codemirror/lang-markdown")).markdown();
    case "py":
      return (await import("@codemirror/lang-python")).python();
    case "rs":
      return (await import("@codemirror/lang-rust")).rust();
    default:
      return undefined;
  }
}

/** The line ends of a text. A text with both has those of Unix, so that saving changes only what the user changed. */
export const lineEndOf = (text: string): string => (/\r\n/.test(text) && !/(^|[^\r])\n/.test(text) ? "\r\n" : "\n");

export interface EditorOptions {
  path: string;
  text: string;
  readOnly: boolean;
  onChange(text: string): void;
  onSave(): void;
  onSaveAll(): void;
}

/** The states of the open files that are not shown, by their ids. */
export type EditorStates = Map<number, { state: EditorState; revision: number; top: number }>;

/** One editor on the page; each open file has its own state, with its history and selection. */
export class Editor {
  readonly #view: EditorView;
  readonly #states: EditorStates;
  readonly #root: ShadowRoot;
  #shown: { id: number; revision: number } | null = null;

  /**
   * The editor is in a shadow root: CodeMirror then uses constructed style sheets, which the content security policy
   * allows. In the document it adds style elements.
   */
  constructor(host: HTMLElement, states: EditorStates) {
    this.#states = states;
    this.#root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    this.#view = new EditorView({ parent: this.#root, root: this.#root });
  }

  show(id: number, revision: number, options: EditorOptions): void {
    this.#leave();
    const known = this.#states.get(id);
    const state = known ? known.state : stateOf(options);
    this.#view.setState(state);
    this.#shown = { id, revision };
    if (known && known.revision !== revision) this.replace(revision, options.text);
    this.#view.scrollDOM.scrollTop = known?.top ?? 0;
    if (!known) {
      void languageOf(options.path).then(
        (language) => {
          if (!language) return;
          const effects = languages.reconfigure(language);
          const kept = this.#states.get(id);
          if (this.#shown?.id === id) this.#view.dispatch({ effects });
          else if (kept) this.#states.set(id, { ...kept, state: kept.state.update({ effects }).state });
        },
        // Without colours the file can be edited as well.
        () => undefined,
      );
    }
  }

  get shown(): number | null {
    return this.#shown?.id ?? null;
  }

  get revision(): number | null {
    return this.#shown?.revision ?? null;
  }

  /** Replaces the text by one that did not come from here. It can be undone. */
  replace(revision: number, text: string): void {
    if (this.#shown) this.#shown.revision = revision;
    const { state } = this.#view;
    if (state.sliceDoc() === text) return;
    const { main } = state.selection;
    const insert = state.toText(text);
    const head = Math.min(main.head, insert.length);
    this.#view.dispatch({ changes: { from: 0, to: state.doc.length, insert }, selection: { anchor: head } });
  }

  setReadOnly(readOnly: boolean): void {
    this.#view.dispatch({ effects: access.reconfigure(accessOf(readOnly)) });
  }

  goTo(line: number): void {
    const { doc } = this.#view.state;
    const { from } = doc.line(Math.min(Math.max(1, line), doc.lines));
    this.#view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
    this.#view.focus();
  }

  focus(): void {
    this.#view.focus();
  }

  /** Forgets the states of files that are closed. */
  keepOnly(ids: ReadonlySet<number>): void {
    for (const id of this.#states.keys()) if (!ids.has(id)) this.#states.delete(id);
  }

  #leave(): void {
    if (!this.#shown) return;
    const { state, scrollDOM } = this.#view;
    this.#states.set(this.#shown.id, { state, revision: this.#shown.revision, top: scrollDOM.scrollTop });
  }

  destroy(): void {
    this.#leave();
    this.#view.destroy();
  }
}

const languages = new Compartment();
const access = new Compartment();

/**
 * Typing over a selection. Chromium would keep the look of the replaced text by a style attribute, which the content
 * security policy forbids.
 */
const typing = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { state } = view;
    if (event.inputType !== "insertText" || event.data === null || event.isComposing || state.readOnly) return false;
    const insert = state.toText(event.data);
    const typed = { userEvent: "input.type", scrollIntoView: true };
    if (state.selection.ranges.some(({ empty }) => !empty)) {
      view.dispatch(state.replaceSelection(insert), typed);
      return true;
    }
    // A program, such as a screen reader, may have selected the text just now, so that the state does not know it yet.
    const selected = selectionIn(view);
    if (!selected) return false;
    const { from, to } = selected;
    view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length } }, typed);
    return true;
  },
});

/** What is selected in the page; undefined if nothing is, or if the browser does not tell it of a shadow root. */
function selectionIn(view: EditorView): { from: number; to: number } | undefined {
  const selection = (view.root as ShadowRoot & { getSelection?(): Selection | null }).getSelection?.();
  if (!selection?.anchorNode || !selection.focusNode || selection.isCollapsed) return undefined;
  if (![selection.anchorNode, selection.focusNode].every((node) => view.contentDOM.contains(node))) return undefined;
  const anchor = view.posAtDOM(selection.anchorNode, selection.anchorOffset);
  const head = view.posAtDOM(selection.focusNode, selection.focusOffset);
  return { from: Math.min(anchor, head), to: Math.max(anchor, head) };
}

const accessOf = (readOnly: boolean): Extension => [
  EditorState.readOnly.of(readOnly),
  EditorView.contentAttributes.of({ "aria-readonly": String(readOnly) }),
];

function stateOf({ path, text, readOnly, onChange, onSave, onSaveAll }: EditorOptions): EditorState {
  const end = lineEndOf(text);
  return EditorState.create({
    doc: text,
    extensions: [
      EditorState.lineSeparator.of(end),
      EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?|\n/g, end)),
      lineNumbers(),
      foldGutter(),
      highlightActiveLineGutter(),
      highlightSpecialChars(),
      history(),
      drawSelection(),
      indentOnInput(),
      bracketMatching(),
      highlightActiveLine(),
      highlightSelectionMatches(),
      syntaxHighlighting(colours),
      syntaxHighlighting(defaultHighlightStyle, { fallback: true }),
      theme,
      typing,
      languages.of([]),
      access.of(accessOf(readOnly)),
      EditorView.contentAttributes.of({ "aria-label": `Content of ${nameOf(path)}`, tabindex: "0" }),
      // Tab leaves the editor after Escape (WCAG 2.1.2).
      keymap.of([
        { key: "Mod-s", run: () => (onSave(), true), preventDefault: true },
        { key: "Mod-Shift-s", run: () => (onSaveAll(), true), preventDefault: true },
        ...defaultKeymap,
        ...searchKeymap,
        ...historyKeymap,
        ...foldKeymap,
        indentWithTab,
      ]),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) onChange(update.state.sliceDoc());
      }),
    ],
  });
}
