//! `/auth/…`: registering, logging in, staying logged in, logging out; and the keys with which others can verify what is signed here.

mod end_login;
mod jwks;
mod login;
mod logins;
mod logout;
mod logout_all;
mod password;
mod refresh;
mod register;
mod schema;
mod signed_in;

/// The route table.
pub fn router() -> api::Router {
    api::Router::new()
        .post("/auth/register", register::register)
        .post("/auth/login", login::login)
        .post("/auth/refresh", refresh::refresh)
        .post("/auth/logout", logout::logout)
        .post("/auth/logout-all", logout_all::logout_all)
        .post("/auth/password", password::password)
        .get("/auth/logins", logins::logins)
        .delete("/auth/logins/{id}", end_login::end_login)
        .get("/.well-known/jwks.json", jwks::jwks)
        .signing_tokens()
}

/// What the routes take and answer.
pub fn document() -> utoipa::openapi::OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        paths(
            register::register,
            login::login,
            refresh::refresh,
            logout::logout,
            logout_all::logout_all,
            password::password,
            logins::logins,
            end_login::end_login,
            jwks::jwks,
        ),
        tags((name = "authentication", description = "Registering, logging in, staying logged in, logging out."))
    )]
    struct Document;
    <Document as utoipa::OpenApi>::openapi()
}
