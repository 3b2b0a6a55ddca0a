//! A request that a server has just sent.
//!
//! What always holds: whoever reads the server waits for nothing here.

use super::automatic;
use super::own::Own;
use crate::daemon::Daemon;
use crate::said::METHOD_NOT_FOUND;
use crate::servers::pool::Server;
use crate::tools;
use sm_ingest::app_server::ServerCall;
use sm_protocol::Kind;
use std::sync::Arc;

/// A server asked something. What no human can answer is answered here, what a rule decides a moment
/// later; all else waits.
pub(crate) fn arrived(daemon: &Arc<Daemon>, server: &Arc<Server>, call: ServerCall) {
    if call.kind == Kind::TOOL_CALL {
        tokio::spawn(tools::answer(Arc::clone(daemon), Arc::clone(server), call));
        return;
    }
    let Some(own) = Own::of(&call.method) else {
        return automatic::arrived(daemon, server, &call);
    };
    let sent = match own.answer() {
        Ok(answer) => server.app.respond(&call.id, &answer),
        Err(why) => server.app.refuse(&call.id, METHOD_NOT_FOUND, why),
    };
    if let Err(error) = sent {
        daemon.say(&format!("{} was not answered: {error}", call.method));
    }
}
