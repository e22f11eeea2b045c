//! What commands bring with them. Fields that nobody knows are refused: a typing error must not be taken for a default.

use barq_core::configuration::Role;
use serde::Deserialize;
use utoipa::ToSchema;

/// A token that shall be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TokenRequest {
    /// Its name, unique.
    pub(in super::super) name: String,
    /// `developer`, `operator`, `tech-lead`, `admin`.
    #[schema(value_type = String)]
    pub(in super::super) role: Role,
}

/// A word to go with a command.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Message {
    /// Why.
    #[serde(default)]
    pub(in super::super) message: Option<String>,
}

/// A command without anything to say.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Nothing {}

/// The same commit again.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RetryRequest {
    /// Whether a quarantined release may pass.
    #[serde(default)]
    pub(in super::super) force: bool,
}

/// To the next step.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PromoteRequest {
    /// Straight to 100 %.
    #[serde(default)]
    pub(in super::super) full: bool,
}

/// Why an environment is locked.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct LockRequest {
    /// Shown to all who wait.
    pub(in super::super) message: String,
    /// Where only an environment is named: whose; without it the only one there is.
    #[serde(default)]
    pub(in super::super) app: Option<String>,
}

/// All traffic to an older revision.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RollbackRequest {
    /// To which; null: in a canary to stable, at rest to what was stable before.
    #[serde(default)]
    pub(in super::super) to: Option<String>,
    /// Why.
    #[serde(default)]
    pub(in super::super) reason: Option<String>,
    /// Only says to what.
    #[serde(default)]
    pub(in super::super) dry_run: bool,
}
