//! The first admin's token, in the data directory: who can read that is the owner of everything anyway.
//!
//! The file comes first and the journal after it: a start that is killed between the two goes on with the same token.

use anyhow::Context as _;
use barq_core::command::Command;
use barq_core::configuration::Role;
use barq_core::event::Actor;

use super::{Server, access};
use crate::data;

/// The name of the first token.
const NAME: &str = "admin";

/// Makes an admin's token where there is none.
pub(super) async fn ensure(server: &Server) -> anyhow::Result<()> {
    let path = server.data.admin_token();
    let view = server.engine.view();
    let mut names = view.state.tokens.keys();
    if names.any(|name| view.state.role(name) == Some(Role::Admin)) {
        return Ok(());
    }
    let left = std::fs::read_to_string(&path).unwrap_or_default();
    let token = if left.trim().len() == access::token(&[0; 32]).len() {
        left.trim().to_owned()
    } else {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).context("cannot make a random token")?;
        let token = access::token(&secret);
        data::write_file(&path, format!("{token}\n").as_bytes(), data::FILE_MODE)?;
        token
    };
    let command = Command::CreateToken {
        name: NAME.to_owned(),
        role: Role::Admin,
        hash: access::hash(&token),
    };
    server
        .engine
        .command(Actor::barq(), command, None)
        .await
        .context("cannot make the first token")?;
    Ok(())
}
