//! The same HTTP over loopback TCP, where it is asked for.
//!
//! What always holds: only a loopback address is listened on; every call carries the token, which lies in
//! the data directory, private to the user, and is compared in constant time; a call for another host than
//! this one is refused, so that no name of somebody else's that leads here (DNS rebinding) is of use.

use super::drained;
use crate::daemon::Daemon;
use crate::home::Home;
use crate::problem::Refusal;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What a call has to show.
#[derive(Clone)]
struct Door {
    token: blake3::Hash,
    hosts: Arc<[String]>,
}

/// Listens on a loopback address. Port 0 is any that is free.
pub(crate) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        let why = "only loopback addresses are served: 127.0.0.1 or [::1]";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    TcpListener::bind(address).await
}

/// The routes behind the token. A token that is not there is made.
pub(crate) fn guarded(router: Router, home: &Home, address: SocketAddr) -> io::Result<Router> {
    let token = blake3::hash(home.http_token()?.as_bytes());
    let port = address.port();
    let hosts = [address.to_string(), format!("localhost:{port}")];
    let door = Door { token, hosts: Arc::new(hosts) };
    Ok(router.layer(middleware::from_fn_with_state(door, check)))
}

async fn check(State(door): State<Door>, request: Request, next: Next) -> Response {
    let Some(refusal) = door.refusal(request.headers()) else { return next.run(request).await };
    drained(request).await;
    match refusal.status {
        401 => ([(WWW_AUTHENTICATE, "Bearer")], refusal).into_response(),
        _ => refusal.into_response(),
    }
}

impl Door {
    fn refusal(&self, headers: &HeaderMap) -> Option<Refusal> {
        let told = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = told(HOST).unwrap_or_default();
        if !self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            let message = format!("{host:?} is not the host that is served here");
            let hint = format!("call http://{}", self.hosts[0]);
            return Some(Refusal::new(403, "wrong_host", message).hint(hint));
        }
        // The scheme's name has no case (RFC 9110).
        let is_bearer = |scheme: &str| scheme.eq_ignore_ascii_case("bearer");
        let token = told(AUTHORIZATION).and_then(|told| told.split_once(' '));
        let token = token.filter(|(scheme, _)| is_bearer(scheme)).map(|(_, token)| token);
        // Hashes compare in constant time.
        match token.is_some_and(|token| blake3::hash(token.trim().as_bytes()) == self.token) {
            true => None,
            false => {
                let message = "this address takes no call without its token";
                let hint =
                    "Authorization: Bearer TOKEN, which `http-token` in the data directory holds";
                Some(Refusal::new(401, "unauthorized", message).hint(hint))
            }
        }
    }
}

/// Tells where the daemon is reached.
pub(crate) fn told(daemon: &Daemon) -> Option<String> {
    daemon.tcp.get().map(|address| format!("http://{address}"))
}
