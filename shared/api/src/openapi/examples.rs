//! Examples of bodies, put together from those of their members.

use serde_json::{Map, Value, json};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayItems, SchemaType};
use utoipa::openapi::{Components, Content, RefOr, Schema, Type};

use super::schema_name;

/// Gives the bodies that an operation takes and answers an example each, where there is none yet.
pub(super) fn fill(operation: &mut Operation, components: &Components) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(|content| give(content, components));
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response
                .content
                .values_mut()
                .for_each(|content| give(content, components));
        }
    }
}

fn give(content: &mut RefOr<Content>, components: &Components) {
    if let RefOr::T(content) = content
        && let Some(schema) = &content.schema
        && content.example.is_none()
        && content.examples.is_empty()
    {
        content.example = Some(of(schema, components));
    }
}

fn of(schema: &RefOr<Schema>, components: &Components) -> Value {
    let schema = match schema {
        RefOr::Ref(reference) => {
            let schema = components.schemas.get(schema_name(reference));
            return of(schema.expect("what is referred to is there"), components);
        }
        RefOr::T(schema) => schema,
    };
    match schema {
        Schema::Object(object) => {
            let given = object.examples.first().or(object.example.as_ref());
            let given = given.or(object.enum_values.as_ref().and_then(|values| values.first()));
            match (given, &object.schema_type) {
                (Some(given), _) => given.clone(),
                (None, SchemaType::Type(Type::Object)) => {
                    let members = object.properties.iter();
                    let members = members.map(|(name, member)| (name.clone(), of(member, components)));
                    members.collect::<Map<_, _>>().into()
                }
                (None, SchemaType::Type(Type::Boolean)) => json!(true),
                (None, SchemaType::Type(Type::Integer)) => json!(1),
                (None, other) => panic!("an example is missing: {}", json!(other)),
            }
        }
        Schema::Array(array) => match (&array.examples.first(), &array.items) {
            (Some(given), _) => (*given).clone(),
            (None, ArrayItems::RefOrSchema(items)) => json!([of(items, components)]),
            (None, ArrayItems::False) => json!([]),
        },
        // The first of them: a member that may be null comes as it is otherwise.
        Schema::OneOf(one) => {
            let isnt_null = |item: &&RefOr<Schema>| !matches!(item, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null));
            one.items
                .iter()
                .find(isnt_null)
                .map_or(Value::Null, |item| of(item, components))
        }
        Schema::AllOf(all) => {
            let mut members = Map::new();
            for item in &all.items {
                if let Value::Object(more) = of(item, components) {
                    members.extend(more);
                }
            }
            members.into()
        }
        _ => Value::Null,
    }
}
