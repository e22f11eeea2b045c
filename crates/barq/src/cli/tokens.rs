//! `barq token`: who may do what. A token is shown once, when it is made, and nowhere else.

use serde_json::json;

use super::Context;
use super::arguments::TokenCommand;
use crate::client::types::{NewToken, TokenLine};
use crate::output::text::time;
use crate::output::{Exit, Failure, table};

/// Tokens that are listed.
const TOKENS_SHOWN: usize = 500;

/// `barq token create|list|revoke`.
pub(super) async fn token(context: &Context, command: TokenCommand) -> Result<Exit, Failure> {
    let client = context.client()?;
    match command {
        TokenCommand::Create { name, role } => {
            let body = json!({"name": name, "role": role.as_str()});
            let token: NewToken = client.post(&["api", "v1", "tokens"], &body).await?;
            // The token alone on standard output: it can be piped to where it is kept.
            context.output.result(&token, || token.token.clone());
            if context.output.interactive() {
                context.output.note(&format!(
                    "({}, {}; it is not shown again)",
                    token.name, token.role
                ));
            }
        }
        TokenCommand::List => {
            let path = ["api", "v1", "tokens"];
            let tokens: Vec<TokenLine> = client.list(&path, &[], "before", TOKENS_SHOWN).await?;
            context.output.result(&tokens, || list(&tokens));
        }
        TokenCommand::Revoke { name } => {
            client.delete(&["api", "v1", "tokens", &name]).await?;
            context
                .output
                .result(&json!({"revoked": name}), || format!("{name} is revoked"));
        }
    }
    Ok(Exit::Done)
}

fn list(tokens: &[TokenLine]) -> String {
    let rows = tokens.iter().map(|token| {
        vec![
            token.name.clone(),
            token.role.clone(),
            time(token.created_at),
        ]
    });
    table::render(&["name", "role", "made"], rows)
}
