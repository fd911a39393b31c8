//! Prints the OpenAPI document. `make openapi` writes it to `infra/openapi.json`.

fn main() {
    print!("{}", gateway::document_text());
}
