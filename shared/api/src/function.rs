//! One function: its name, its routes and its part of the OpenAPI document, from one list of endpoints.

use crate::router::Router;

/// A function that serves requests.
pub struct Function {
    /// The name of its folder, its package and its deployment.
    pub name: &'static str,
    /// Its routes.
    pub router: Router,
}

/// Defines the function of the calling crate from the list of its endpoints.
///
/// ```ignore
/// api::function! {
///     tag: "sessions",
///     description: "The workspace sessions of the caller's tenant.",
///     tokens: Verifies,
///     endpoints: [create, list, get, change, delete],
/// }
/// ```
///
/// An endpoint is a module with a handler `handle`, whose `#[utoipa::path]` states the method and the path. One that
/// accepts larger bodies than the others has the limit in parentheses, such as `upload(upload::MAX_BYTES)`. `tokens` is
/// the name of a [`TokenUse`](crate::config::TokenUse). The macro defines the functions
/// `function`, `router` and `document`. No deployed program calls `document`, so that the linker removes the code that
/// makes the OpenAPI document.
#[macro_export]
macro_rules! function {
    (
        tag: $tag:literal,
        description: $description:literal,
        tokens: $token_use:ident,
        endpoints: [$($endpoint:ident $(($body_max_bytes:expr))?),+ $(,)?] $(,)?
    ) => {
        /// The name and the routes of this function.
        pub fn function() -> $crate::Function {
            $crate::Function {
                name: env!("CARGO_PKG_NAME"),
                router: router(),
            }
        }

        /// The routes of this function.
        pub fn router() -> $crate::Router {
            $crate::Router::new()
                .with_token_use($crate::config::TokenUse::$token_use)
                $(
                    .route::<$endpoint::__path_handle, _>($endpoint::handle)
                    $(.accepting($body_max_bytes))?
                )+
        }

        /// This function's part of the OpenAPI document.
        pub fn document() -> ::utoipa::openapi::OpenApi {
            #[derive(::utoipa::OpenApi)]
            #[openapi(paths($($endpoint::handle),+), tags((name = $tag, description = $description)))]
            struct Document;
            <Document as ::utoipa::OpenApi>::openapi()
        }
    };
}
