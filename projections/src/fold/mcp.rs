//! MCP servers: which are being started for a session, and which did not start.

use super::Step;
use crate::rows::{McpFailure, Sid, line};
use sm_protocol::message::McpStartup;

/// The most servers kept of one session.
const SERVERS_MAX: usize = 64;

impl Step<'_> {
    pub(super) fn mcp_startup(&mut self, sid: Sid, payload: &[u8]) {
        let Some(told) = self.params::<McpStartup<'_>>(payload) else { return };
        let Some(name) = told.name.filled().map(line) else { return };
        let session = self.session(sid);
        session.mcp_starting.retain(|starting| *starting != name);
        session.mcp_failed.retain(|failed| failed.name != name);
        match told.status.get() {
            Some("starting") if session.mcp_starting.len() < SERVERS_MAX => {
                session.mcp_starting.push(name);
            }
            Some("failed") if session.mcp_failed.len() < SERVERS_MAX => {
                let error = told.error.get().map(line).unwrap_or_default();
                session.mcp_failed.push(McpFailure { name, error });
            }
            _ => {}
        }
    }
}
