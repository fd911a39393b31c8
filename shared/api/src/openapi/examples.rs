//! Examples of bodies, assembled from the examples of their members.

use serde_json::{Map, Value, json};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayItems, SchemaType};
use utoipa::openapi::{Components, Content, RefOr, Schema, Type};

use super::schema::name_of;

/// Adds an example to each request and response body that has none.
pub(super) fn fill(operation: &mut Operation, components: &Components) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content
            .values_mut()
            .for_each(|content| add_example(content, components));
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response
                .content
                .values_mut()
                .for_each(|content| add_example(content, components));
        }
    }
}

fn add_example(content: &mut RefOr<Content>, components: &Components) {
    if let RefOr::T(content) = content
        && let Some(schema) = &content.schema
        && content.example.is_none()
        && content.examples.is_empty()
    {
        content.example = Some(example_of(schema, components));
    }
}

fn example_of(schema: &RefOr<Schema>, components: &Components) -> Value {
    let schema = match schema {
        RefOr::Ref(reference) => {
            let schema = components.schemas.get(name_of(reference));
            return example_of(schema.expect("every reference has a target"), components);
        }
        RefOr::T(schema) => schema,
    };
    match schema {
        Schema::Object(object) => {
            let declared = object.examples.first().or(object.example.as_ref());
            let declared = declared.or(object.enum_values.as_ref().and_then(|values| values.first()));
            match (declared, &object.schema_type) {
                (Some(declared), _) => declared.clone(),
                (None, SchemaType::Type(Type::Object)) => {
                    let members = object.properties.iter();
                    let members = members.map(|(name, member)| (name.clone(), example_of(member, components)));
                    members.collect::<Map<_, _>>().into()
                }
                (None, SchemaType::Type(Type::Boolean)) => json!(true),
                (None, SchemaType::Type(Type::Integer)) => json!(1),
                (None, other) => panic!("a schema has no example: {}", json!(other)),
            }
        }
        Schema::Array(array) => match (&array.examples.first(), &array.items) {
            (Some(declared), _) => (*declared).clone(),
            (None, ArrayItems::RefOrSchema(items)) => json!([example_of(items, components)]),
            (None, ArrayItems::False) => json!([]),
        },
        // The first form that is not null.
        Schema::OneOf(one) => {
            let form = one.items.iter().find(|item| !is_null(item));
            form.map_or(Value::Null, |item| example_of(item, components))
        }
        Schema::AllOf(all) => {
            let mut members = Map::new();
            for item in &all.items {
                if let Value::Object(more) = example_of(item, components) {
                    members.extend(more);
                }
            }
            members.into()
        }
        _ => Value::Null,
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    let null = SchemaType::Type(Type::Null);
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == null)
}
