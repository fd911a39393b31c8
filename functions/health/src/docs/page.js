// Renders the OpenAPI document that is served beside this page. Everything becomes elements and text, never markup, so
// nothing in the document can run or change the page.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, attributes, ...children) {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) created.setAttribute(key, value);
  created.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return created;
}

const code = (text) => element("code", {}, text);
const quiet = (...children) => element("span", { class: "quiet" }, children);

// The subset of Markdown that the document uses: paragraphs, `code` and **strong**.
function prose(text) {
  return text.split(/\n\s*\n/).map((paragraph) => element("p", {}, inline(paragraph)));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return code(part.slice(1, -1));
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
    // A description beside the reference precedes the target's description and does not replace it.
    const description = [thing.description, target.description].filter(Boolean).join(" ");
    return { ...target, ...thing, $ref: undefined, name: path.at(-1), description };
  };
  const json = (value) => element("pre", { tabindex: 0 }, JSON.stringify(value, null, 2));

  function constraints(schema) {
    const found = [];
    const add = (key, words) => {
      if (schema[key] !== undefined) found.push(element("span", {}, words, " ", code(String(schema[key]))));
    };
    if (schema.format) found.push(schema.format);
    if (schema.enum) {
      const values = schema.enum.map((value, index) => [index ? ", " : "", code(JSON.stringify(value))]);
      found.push([schema.enum.length > 1 ? "one of " : "always ", values]);
    }
    add("minimum", "minimum");
    add("maximum", "maximum");
    add("minLength", "minimum length");
    add("maxLength", "maximum length");
    add("minItems", "minimum items");
    add("maxItems", "maximum items");
    add("pattern", "pattern");
    add("default", "default");
    return found.map((part) => [", ", part]);
  }

  function typeName(schema) {
    const forms = schema.oneOf || schema.anyOf;
    if (schema.name && (forms || !schema.type || schema.type === "object")) return schema.name;
    if (schema.type === "array") return ["list of ", typeName(deref(schema.items))];
    if (Array.isArray(schema.type)) return schema.type.join(" or ");
    if (forms) return forms.map((form, index) => [index ? " or " : "", typeName(deref(form))]);
    return schema.name ? `${schema.type} (${schema.name})` : schema.type || "object";
  }

  // One entry for each member of a schema.
  function members(schema) {
    schema = deref(schema);
    if (schema.allOf) return schema.allOf.map(members);
    if (schema.type === "array") return members(schema.items);
    const forms = (schema.oneOf || schema.anyOf || []).map(deref).filter((form) => form.type !== "null");
    if (forms.length === 1) return members(forms[0]);
    if (forms.length > 1) {
      return forms.map((form, index) =>
        element("details", {}, element("summary", {}, `Form ${index + 1}: `, formName(form)), members(form)),
      );
    }
    const properties = Object.entries(schema.properties || {});
    if (properties.length === 0) return null;
    const required = schema.required || [];
    return element(
      "dl",
      {},
      properties.map(([name, member]) => entry(name, member, required.includes(name))),
    );
  }

  const formName = (schema) => {
    const types = deref((schema.properties || {}).type || {}).enum;
    return types ? types.join(", ") : schema.title || schema.name || "";
  };

  function entry(name, schema, required, description) {
    schema = deref(schema);
    const value = schema.oneOf && schema.oneOf.length === 2 ? deref(schema.oneOf[0]) : schema;
    const text = description || schema.description || value.description;
    return [
      element("dt", {}, code(name), " ", quiet(typeName(schema), required ? ", required" : "", constraints(value))),
      element("dd", {}, text ? inline(text) : null, members(schema)),
    ];
  }

  function body(content) {
    return Object.entries(content || {}).map(([type, media]) => [
      element("p", { class: "quiet" }, code(type)),
      members(media.schema),
      media.example !== undefined ? [element("h5", {}, "Example"), json(media.example)] : null,
      Object.entries(media.examples || {}).map(([name, example]) => [
        element("h5", {}, "Example: ", code(name)),
        json(example.value),
      ]),
    ]);
  }

  function response(status, described) {
    described = deref(described);
    const headers = Object.entries(described.headers || {}).map(([name, header]) => {
      header = deref(header);
      return entry(name, { ...header.schema, description: header.description }, header.required);
    });
    const heading = [element("span", { class: "status" }, status), " ", inline(described.description)];
    return element(
      "details",
      {},
      element("summary", {}, heading),
      body(described.content),
      headers.length ? [element("h5", {}, "Headers"), element("dl", {}, headers)] : null,
    );
  }

  function curl(method, path, operation) {
    const base = location.origin + location.pathname.replace(/\/docs$/, "");
    const parameters = (operation.parameters || []).map(deref);
    const example = (name) => deref(parameters.find((parameter) => parameter.name === name).schema).examples[0];
    const url = base + path.replace(/\{(\w+)\}/g, (_, name) => example(name));
    const lines = [`curl -X ${method.toUpperCase()} '${url}'`];
    const schemes = operation.security || api.security || [];
    if (schemes.some((scheme) => Object.keys(scheme).length)) lines.push("-H 'Authorization: Bearer TOKEN'");
    const request = operation.requestBody && deref(operation.requestBody).content["application/json"];
    if (request) {
      const data = JSON.stringify(request.example).replaceAll("'", "'\\''");
      lines.push("-H 'Content-Type: application/json'", `-d '${data}'`);
    }
    return element("pre", { tabindex: 0 }, lines.join(" \\\n  "));
  }

  function security(operation) {
    const schemes = operation.security || api.security || [];
    if (schemes.length === 0) return "Public: no token required.";
    const optional = schemes.some((scheme) => Object.keys(scheme).length === 0);
    const names = schemes.flatMap((scheme) => Object.keys(scheme)).join(", ");
    return [optional ? "Optional: " : "Required: ", element("a", { href: "#security" }, names), "."];
  }

  function operation({ method, path, operation }) {
    const id = operation.operationId;
    const parameters = (operation.parameters || []).map(deref);
    const request = deref(operation.requestBody);
    const title = element("a", { class: "self", href: `#${id}` }, operation.summary);
    return element(
      "section",
      { class: "operation", id, "aria-labelledby": `${id}-title` },
      element("h3", { id: `${id}-title` }, title),
      element("p", { class: "path" }, element("span", { class: `method ${method}` }, method.toUpperCase()), path),
      operation.description ? prose(operation.description) : null,
      element("p", { class: "quiet" }, security(operation)),
      parameters.length
        ? [
            element("h4", {}, "Parameters"),
            element(
              "dl",
              {},
              parameters.map((one) => entry(`${one.name} (${one.in})`, one.schema, one.required, one.description)),
            ),
          ]
        : null,
      request ? [element("h4", {}, "Body"), body(request.content)] : null,
      element("h4", {}, "Responses"),
      Object.entries(operation.responses).map(([status, described]) => response(status, described)),
      element("h4", {}, "Try it"),
      curl(method, path, operation),
    );
  }

  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ method, path, operation: item[method] })),
  );
  const groups = api.tags.map((tag) => ({
    tag,
    operations: all.filter((one) => one.operation.tags.includes(tag.name)),
  }));

  const search = element("input", {
    type: "search",
    placeholder: "Filter: press /",
    "aria-label": "Filter the operations",
  });
  const link = (href, ...text) => element("li", {}, element("a", { href }, text));
  const operationLink = ({ method, path, operation }) =>
    link(`#${operation.operationId}`, element("span", { class: `method ${method}` }, method.toUpperCase()), path);
  const nav = document.querySelector("nav");
  nav.replaceChildren(
    search,
    element(
      "ul",
      {},
      link("#introduction", "Introduction"),
      link("#security", "Security"),
      link("#outside", "Outside the operations"),
    ),
    ...groups.flatMap(({ tag, operations }) => [
      element("h2", {}, tag.name),
      element("ul", {}, operations.map(operationLink)),
    ]),
  );

  const outside = api["x-outside-operations"];
  const outsideTitles = [
    ["unknownPath", "Unknown path"],
    ["unknownMethod", "Method that the path does not support"],
    ["options", "OPTIONS on any path"],
  ];
  document.querySelector("main").replaceChildren(
    element("h1", { id: "introduction" }, api.info.title, " ", element("small", {}, api.info.version)),
    ...prose(api.info.description),
    element(
      "p",
      {},
      "The source of this page: ",
      element("a", { href: "openapi.json" }, "openapi.json"),
      ` (OpenAPI ${api.openapi}).`,
    ),
    element("h2", {}, "Servers"),
    element(
      "ul",
      {},
      api.servers.map((server) => element("li", {}, code(server.url), " ", inline(server.description))),
    ),
    element("h2", { id: "security" }, "Security"),
    element(
      "dl",
      {},
      Object.entries(api.components.securitySchemes).map(([name, scheme]) => [
        element("dt", {}, code(name), " ", quiet(`${scheme.type} ${scheme.scheme} ${scheme.bearerFormat}`)),
        element("dd", {}, inline(scheme.description)),
      ]),
    ),
    ...groups.flatMap(({ tag, operations }) => [
      element("h2", { id: tag.name }, tag.name),
      element("p", {}, tag.description),
      ...operations.map(operation),
    ]),
    element(
      "section",
      { class: "operation", id: "outside" },
      element("h2", {}, "Outside the operations"),
      outsideTitles.map(([key, title]) => [
        element("h4", {}, title),
        Object.entries(outside[key]).map(([status, described]) => response(status, described)),
      ]),
    ),
  );

  // The filter hides every operation that lacks one of its words.
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const { method, path, operation } of all) {
      const id = operation.operationId;
      const text = `${method} ${path} ${id} ${operation.summary}`.toLowerCase();
      const hidden = !words.every((word) => text.includes(word));
      document.getElementById(id).hidden = hidden;
      nav.querySelector(`a[href="#${id}"]`).parentElement.hidden = hidden;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== search) {
      event.preventDefault();
      search.focus();
    }
  });

  // Deep links: scroll to the part that the address names and mark its link, now and after every change.
  const show = () => {
    for (const link of nav.querySelectorAll("a")) {
      if (location.hash.length > 1 && link.hash === location.hash) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    // The hash is not decoded: ids consist of letters, digits and hyphens, and decoding fails for malformed addresses.
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  };
  addEventListener("hashchange", show);
  show();
}

function fail(error) {
  const message = `This page cannot show the API: ${error.message}`;
  document.querySelector("main").replaceChildren(element("p", { role: "alert" }, message));
}

fetch("openapi.json")
  .then((response) => {
    if (!response.ok) throw new Error(`openapi.json returned status ${response.status}.`);
    return response.json();
  })
  .then(render)
  .catch(fail);
