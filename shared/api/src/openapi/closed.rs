//! Closes the schemas of response bodies: a response has the described members and no others.
//!
//! Schemas that only requests use stay open, because clients may send members that later versions describe.

use std::collections::BTreeSet;

use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, SchemaType};
use utoipa::openapi::{Components, Content, RefOr, Response, Schema, Type};

use super::schema::name_of;

/// Closes the schemas that these responses and those among the components refer to, directly or not.
pub(super) fn close<'a>(responses: impl Iterator<Item = &'a RefOr<Response>>, components: &mut Components) {
    let mut all: Vec<&RefOr<Response>> = responses.collect();
    all.extend(components.responses.values());
    let mut names = BTreeSet::new();
    for response in all {
        if let RefOr::T(response) = response {
            add_schemas(response, components, &mut names);
        }
    }
    for name in &names {
        if let Some(RefOr::T(schema)) = components.schemas.get_mut(name) {
            close_schema(schema);
        }
    }
}

/// Adds the names of the schemas that a response refers to.
fn add_schemas(response: &Response, components: &Components, names: &mut BTreeSet<String>) {
    for content in response.content.values() {
        if let RefOr::T(Content {
            schema: Some(schema), ..
        }) = content
        {
            follow(schema, components, names);
        }
    }
}

fn follow(schema: &RefOr<Schema>, components: &Components, names: &mut BTreeSet<String>) {
    let schema = match schema {
        RefOr::Ref(reference) => {
            let name = name_of(reference);
            if names.insert(name.to_owned()) {
                let schema = components.schemas.get(name);
                follow(schema.expect("every reference has a target"), components, names);
            }
            return;
        }
        RefOr::T(schema) => schema,
    };
    match schema {
        Schema::Object(object) => object
            .properties
            .values()
            .for_each(|member| follow(member, components, names)),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &array.items {
                follow(items, components, names);
            }
        }
        Schema::OneOf(one) => one.items.iter().for_each(|item| follow(item, components, names)),
        Schema::AllOf(all) => all.items.iter().for_each(|item| follow(item, components, names)),
        Schema::AnyOf(any) => any.items.iter().for_each(|item| follow(item, components, names)),
        _ => {}
    }
}

fn close_schema(schema: &mut Schema) {
    match schema {
        Schema::Object(object) if object.schema_type == SchemaType::Type(Type::Object) => {
            let exact = || Box::new(AdditionalProperties::FreeForm(false));
            object.additional_properties.get_or_insert_with(exact);
        }
        Schema::OneOf(one) => {
            for item in &mut one.items {
                if let RefOr::T(schema) = item {
                    close_schema(schema);
                }
            }
        }
        _ => {}
    }
}
