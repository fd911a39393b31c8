//! Writes the OpenAPI document to standard output: `make openapi` keeps it in `infra/openapi.json`.

fn main() {
    print!("{}", gateway::document_text());
}
