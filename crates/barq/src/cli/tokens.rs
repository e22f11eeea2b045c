//! `barq token`: who may do what. A token is shown once, when it is made, and nowhere else.

use jiff::Timestamp;
use serde_json::json;

use super::Context;
use super::arguments::TokenCommand;
use super::logs::parse_duration;
use crate::client::types::{NewToken, TokenLine};
use crate::output::text::{relative, time};
use crate::output::{Exit, Failure, table};

/// Tokens that are listed.
const TOKENS_SHOWN: usize = 500;

/// `barq token create|list|revoke`.
pub(super) async fn token(context: &Context, command: TokenCommand) -> Result<Exit, Failure> {
    let client = context.client()?;
    match command {
        TokenCommand::Create {
            name,
            role,
            expires,
        } => {
            let expires_at = expires.as_deref().map(expiry).transpose()?;
            let body = json!({"name": name, "role": role.as_str(), "expires_at": expires_at});
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
            context
                .output
                .result(&tokens, || list(&tokens, Timestamp::now()));
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

fn expiry(text: &str) -> Result<Timestamp, Failure> {
    Timestamp::now()
        .checked_add(parse_duration(text)?)
        .map_err(|error| Failure::usage("--expires is too far away").because(error.to_string()))
}

fn list(tokens: &[TokenLine], now: Timestamp) -> String {
    let rows = tokens.iter().map(|token| {
        let used = token
            .last_used_at
            .map_or_else(|| "never".to_owned(), |at| relative(at, now));
        let ends = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {}", time(at)),
            (None, Some(at)) => relative(at, now),
            (None, None) => "-".to_owned(),
        };
        vec![
            token.name.clone(),
            token.role.clone(),
            time(token.created_at),
            used,
            ends,
        ]
    });
    table::render(&["name", "role", "made", "used", "ends"], rows)
}
