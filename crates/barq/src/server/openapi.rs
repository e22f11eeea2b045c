//! The API's description, generated from the handlers. What holds for all of them is added here.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::problem::Problem;

/// The name of the security scheme.
const TOKEN: &str = "token";

/// The beginning of the document.
pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("barq")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "From git push to production and back. All but /health and /metrics need a token. Commands honour \
             `Idempotency-Key`: the same key with the same request takes effect once. Errors are problem documents \
             (RFC 9457).",
        ));
    OpenApiBuilder::new().info(info).build()
}

/// Adds the token and the form of errors to every operation.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_with(Default::default);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let problem = (Problem::name().into_owned(), Problem::schema());
    components.schemas.extend([problem]);
    components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer));
    for (path, item) in &mut document.paths.paths {
        let open = path.starts_with("/health") || path == "/metrics";
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            complete_operation(operation, open);
        }
    }
    document
}

fn complete_operation(operation: &mut Operation, open: bool) {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let problem = ResponseBuilder::new()
        .description("What failed, why, and what to do")
        .content("application/problem+json", content)
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), RefOr::T(problem));
    if !open {
        let nothing: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, nothing)]);
    }
}
