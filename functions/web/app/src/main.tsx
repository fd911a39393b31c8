import "@fontsource-variable/instrument-sans/index.css";
import "@fontsource-variable/jetbrains-mono/index.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/marks.css";
import "./styles/overlay.css";
import "./styles/shell.css";
import "./styles/auth.css";
import "./styles/account.css";
import "./styles/pages.css";
import "./app/theme.ts";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";

import { App } from "./app/app.tsx";
import { Crash } from "./app/crash.tsx";
import { authStore } from "./stores/auth-store.ts";

void authStore.getState().start();

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Crash>
      <BrowserRouter>
        <App />
      </BrowserRouter>
    </Crash>
  </StrictMode>,
);
