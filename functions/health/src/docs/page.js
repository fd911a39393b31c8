// Renders the document that is served beside this page. Everything is made of elements and text, never of markup, so that nothing in
// the document can be more than text.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

// The little of Markdown that the document has: paragraphs, `code` and **strong**.
function prose(text) {
  return text.split(/\n\s*\n/).map((paragraph) => element("p", {}, inline(paragraph)));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return element("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return element("strong", {}, inline(part.slice(2, -2)));
    return part;
  });
}

function render(api) {
  const deref = (thing) => {
    if (!thing || !thing.$ref) return thing;
    const path = thing.$ref.slice(2).split("/");
    const found = path.reduce((at, key) => at[key.replaceAll("~1", "/").replaceAll("~0", "~")], api);
    const target = deref(found);
    // What is said here of the use goes before what is said there of all uses, and does not replace it.
    const description = [thing.description, target.description].filter(Boolean).join(" ");
    return { ...target, ...thing, $ref: undefined, name: path.at(-1), description };
  };
  const json = (value) => element("pre", { tabindex: 0 }, JSON.stringify(value, null, 2));

  function limits(schema) {
    const said = [];
    const say = (key, words) => schema[key] !== undefined && said.push(element("span", {}, words, " ", element("code", {}, String(schema[key]))));
    if (schema.format) said.push(schema.format);
    if (schema.enum) said.push([schema.enum.length > 1 ? "one of " : "always ", schema.enum.map((value, index) => [index ? ", " : "", element("code", {}, JSON.stringify(value))])]);
    say("minimum", "at least");
    say("maximum", "at most");
    say("minLength", "shortest");
    say("maxLength", "longest");
    say("minItems", "fewest");
    say("maxItems", "most");
    say("pattern", "pattern");
    say("default", "default");
    return said.map((part) => [", ", part]);
  }

  function kind(schema) {
    const any = schema.oneOf || schema.anyOf;
    if (schema.name && (any || !schema.type || schema.type === "object")) return schema.name;
    if (schema.type === "array") return ["list of ", kind(deref(schema.items))];
    if (Array.isArray(schema.type)) return schema.type.join(" or ");
    if (any) return any.map((one, index) => [index ? " or " : "", kind(deref(one))]);
    return schema.name ? `${schema.type} (${schema.name})` : schema.type || "object";
  }

  // What stands inside a schema, one entry a member.
  function inside(schema) {
    schema = deref(schema);
    if (schema.allOf) return schema.allOf.map(inside);
    if (schema.type === "array") return inside(schema.items);
    const any = (schema.oneOf || schema.anyOf || []).map(deref).filter((one) => one.type !== "null");
    if (any.length === 1) return inside(any[0]);
    if (any.length > 1) {
      return any.map((one, index) => element("details", {}, element("summary", {}, `Form ${index + 1}: `, form(one)), inside(one)));
    }
    const members = Object.entries(schema.properties || {});
    if (members.length === 0) return null;
    return element("dl", {}, members.map(([name, member]) => entry(name, member, (schema.required || []).includes(name))));
  }

  const form = (schema) => {
    const types = deref((schema.properties || {}).type || {}).enum;
    return types ? types.join(", ") : schema.title || schema.name || "";
  };

  function entry(name, schema, required, description) {
    schema = deref(schema);
    const one = schema.oneOf && schema.oneOf.length === 2 ? deref(schema.oneOf[0]) : schema;
    const text = description || schema.description || one.description;
    return [
      element("dt", {}, element("code", {}, name), " ", element("span", { class: "quiet" }, kind(schema), required ? ", required" : "", limits(one))),
      element("dd", {}, text ? inline(text) : null, inside(schema)),
    ];
  }

  function body(content) {
    return Object.entries(content || {}).map(([type, media]) => [
      element("p", { class: "quiet" }, element("code", {}, type)),
      inside(media.schema),
      media.example !== undefined ? [element("h5", {}, "Example"), json(media.example)] : null,
      Object.entries(media.examples || {}).map(([name, example]) => [element("h5", {}, "Example: ", element("code", {}, name)), json(example.value)]),
    ]);
  }

  function answer(status, response) {
    response = deref(response);
    const headers = Object.entries(response.headers || {}).map(([name, header]) => {
      header = deref(header);
      return entry(name, { ...header.schema, description: header.description }, header.required);
    });
    return element(
      "details",
      {},
      element("summary", {}, element("span", { class: "status" }, status), " ", inline(response.description)),
      body(response.content),
      headers.length ? [element("h5", {}, "Headers"), element("dl", {}, headers)] : null,
    );
  }

  function curl(method, path, operation) {
    const base = location.origin + location.pathname.replace(/\/docs$/, "");
    const parameters = (operation.parameters || []).map(deref);
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => deref(parameters.find((one) => one.name === name).schema).examples[0]);
    const lines = [`curl -X ${method.toUpperCase()} '${base}${filled}'`];
    const asked = operation.security || api.security || [];
    if (asked.some((one) => Object.keys(one).length)) lines.push("-H 'Authorization: Bearer TOKEN'");
    const taken = operation.requestBody && deref(operation.requestBody).content["application/json"];
    if (taken) lines.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(taken.example).replaceAll("'", "'\\''")}'`);
    return element("pre", { tabindex: 0 }, lines.join(" \\\n  "));
  }

  function security(operation) {
    const asked = operation.security || api.security || [];
    if (asked.length === 0) return "Public: no token is asked for.";
    const optional = asked.some((one) => Object.keys(one).length === 0);
    const names = asked.flatMap((one) => Object.keys(one)).join(", ");
    return [optional ? "Takes, but does not ask for, " : "Asks for ", element("a", { href: "#security" }, names), "."];
  }

  function operation({ method, path, operation }) {
    const id = operation.operationId;
    const parameters = (operation.parameters || []).map(deref);
    const taken = deref(operation.requestBody);
    return element(
      "section",
      { class: "operation", id, "aria-labelledby": `${id}-title` },
      element("h3", { id: `${id}-title` }, element("a", { class: "self", href: `#${id}` }, operation.summary)),
      element("p", { class: "path" }, element("span", { class: `method ${method}` }, method.toUpperCase()), path),
      operation.description ? prose(operation.description) : null,
      element("p", { class: "quiet" }, security(operation)),
      parameters.length
        ? [
            element("h4", {}, "Parameters"),
            element("dl", {}, parameters.map((one) => entry(`${one.name} (${one.in})`, one.schema, one.required, one.description))),
          ]
        : null,
      taken ? [element("h4", {}, "Body"), body(taken.content)] : null,
      element("h4", {}, "Answers"),
      Object.entries(operation.responses).map(([status, response]) => answer(status, response)),
      element("h4", {}, "Try it"),
      curl(method, path, operation),
    );
  }

  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ method, path, operation: item[method] })),
  );
  const groups = api.tags.map((tag) => ({ tag, operations: all.filter((one) => one.operation.tags.includes(tag.name)) }));

  const search = element("input", { type: "search", placeholder: "Filter: press /", "aria-label": "Filter the operations" });
  const link = (href, ...text) => element("li", {}, element("a", { href }, text));
  const nav = document.querySelector("nav");
  nav.replaceChildren(
    search,
    element("ul", {}, link("#introduction", "Introduction"), link("#security", "Security"), link("#outside", "What is no operation")),
    ...groups.flatMap(({ tag, operations }) => [
      element("h2", {}, tag.name),
      element(
        "ul",
        {},
        operations.map((one) =>
          link(`#${one.operation.operationId}`, element("span", { class: `method ${one.method}` }, one.method.toUpperCase()), one.path),
        ),
      ),
    ]),
  );

  const outside = api["x-outside-operations"];
  document.querySelector("main").replaceChildren(
    element("h1", { id: "introduction" }, api.info.title, " ", element("small", {}, api.info.version)),
    ...prose(api.info.description),
    element("p", {}, "The document itself: ", element("a", { href: "openapi.json" }, "openapi.json"), " (OpenAPI ", api.openapi, ")."),
    element("h2", {}, "Servers"),
    element("ul", {}, api.servers.map((server) => element("li", {}, element("code", {}, server.url), " ", inline(server.description)))),
    element("h2", { id: "security" }, "Security"),
    element(
      "dl",
      {},
      Object.entries(api.components.securitySchemes).map(([name, scheme]) => [
        element("dt", {}, element("code", {}, name), " ", element("span", { class: "quiet" }, `${scheme.type} ${scheme.scheme} ${scheme.bearerFormat}`)),
        element("dd", {}, inline(scheme.description)),
      ]),
    ),
    ...groups.flatMap(({ tag, operations }) => [element("h2", { id: tag.name }, tag.name), element("p", {}, tag.description), ...operations.map(operation)]),
    element("section", { class: "operation", id: "outside" }, element("h2", {}, "What is no operation"), [
      ["unknownPath", "An unknown path"],
      ["unknownMethod", "A method that the path does not know"],
      ["options", "OPTIONS on any path"],
    ].map(([key, title]) => [element("h4", {}, title), Object.entries(outside[key]).map(([status, response]) => answer(status, response))])),
  );

  // A filter hides what has none of its words in it.
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const one of all) {
      const text = `${one.method} ${one.path} ${one.operation.operationId} ${one.operation.summary}`.toLowerCase();
      const hidden = !words.every((word) => text.includes(word));
      document.getElementById(one.operation.operationId).hidden = hidden;
      nav.querySelector(`a[href="#${one.operation.operationId}"]`).parentElement.hidden = hidden;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== search) {
      event.preventDefault();
      search.focus();
    }
  });

  // Deep links: what the address names is shown and marked, now and whenever it changes.
  const show = () => {
    for (const link of nav.querySelectorAll("a")) {
      if (location.hash.length > 1 && link.hash === location.hash) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    // Not decoded: every id is of letters, digits and hyphens, and anybody can write anything into an address.
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  };
  addEventListener("hashchange", show);
  show();
}

fetch("openapi.json")
  .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`The document was answered with ${response.status}.`))))
  .then(render)
  .catch((error) => document.querySelector("main").replaceChildren(element("p", { role: "alert" }, `This page could not be made. ${error.message}`)));
