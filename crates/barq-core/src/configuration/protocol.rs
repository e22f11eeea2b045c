//! What an app's instances speak. A part of a revision: another protocol is another program.

use serde::{Deserialize, Serialize};

/// What an instance speaks on its port, to users' requests and to probes alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, by prior knowledge: what gRPC needs.
    H2c,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Http1, Self::H2c];

    /// As `barq.toml` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::H2c => "h2c",
        }
    }

    /// Whether it is what an app speaks that says nothing: such a configuration is stored as before there was a choice.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
