//! What `sm` answers itself, at once: what no human could.
//!
//! What always holds: such a request waits for nobody; what there is no answer to is refused with the reason.

use crate::daemon::now;
use serde_json::{Value, json};
use sm_protocol::CLIENTS_OWN;

/// What `sm` answers itself, at once.
pub(super) enum Own {
    /// A new token for the account.
    Token,
    /// Proof of what runs Codex.
    Attestation,
    /// What time it is.
    Time,
}

impl Own {
    pub fn of(method: &str) -> Option<Own> {
        match method {
            "account/chatgptAuthTokens/refresh" => Some(Own::Token),
            "attestation/generate" => Some(Own::Attestation),
            "currentTime/read" => Some(Own::Time),
            _ => None,
        }
    }

    /// The answer, or why there is none.
    pub fn answer(&self) -> Result<Value, &'static str> {
        match self {
            Own::Token => Err("sm holds no account: sign in with codex login"),
            Own::Attestation => Err("sm attests nothing"),
            Own::Time => Ok(json!({ "currentTimeAt": now() / 1_000_000 })),
        }
    }
}

/// Whether `sm` answers requests of that method itself, at once: they wait for nobody.
pub fn answers_itself(method: &str) -> bool {
    CLIENTS_OWN.contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_waits_for_no_human_is_answered() {
        assert!(CLIENTS_OWN.iter().all(|method| Own::of(method).is_some()));
    }
}
