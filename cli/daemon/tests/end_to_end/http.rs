//! The daemon's HTTP as somebody without our client meets it: raw, over the socket and over TCP.

use crate::bench::{Bench, signal};
use serde_json::{Value, json};
use sm_ingest::app_server::ProcessId;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What came back.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends a request with these header lines; the answer is read to its end.
fn call(mut to: impl Read + Write, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    to.write_all(head.as_bytes()).unwrap();
    to.write_all(body).unwrap();
    let mut told = String::new();
    to.read_to_string(&mut told).unwrap();
    let (head, body) = told.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn socket(bench: &Bench) -> UnixStream {
    UnixStream::connect(bench.home.socket_path()).unwrap()
}

fn get(bench: &Bench, path: &str) -> Reply {
    call(socket(bench), "GET", path, "host: sm\r\n", b"")
}

fn post(bench: &Bench, path: &str, body: &[u8]) -> Reply {
    call(socket(bench), "POST", path, "host: sm\r\n", body)
}

/// The events of a stream, as they come: name, id, data.
struct Stream(BufReader<UnixStream>);

impl Stream {
    fn open(bench: &Bench, path: &str) -> Stream {
        let mut to = socket(bench);
        to.write_all(format!("GET {path} HTTP/1.1\r\nhost: sm\r\n\r\n").as_bytes()).unwrap();
        Stream(BufReader::new(to))
    }

    fn next(&mut self) -> (String, String, Value) {
        let (mut name, mut id) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended");
            let line = line.trim_end();
            match line.split_once(": ") {
                Some(("event", told)) => name = told.to_owned(),
                Some(("id", told)) => id = told.to_owned(),
                Some(("data", data)) => return (name, id, serde_json::from_str(data).unwrap()),
                _ => {}
            }
        }
    }
}

#[test]
fn every_route_is_told_of_and_what_is_told_is_routed() {
    let bench = Bench::start();
    let told = get(&bench, "/openapi.json").json();
    assert_eq!(told["openapi"], "3.1.0");
    let paths = told["paths"].as_object().unwrap();
    let answer = &paths["/v1/requests/{id}"]["post"]["requestBody"]["content"];
    assert!(answer["application/json"]["schema"]["properties"]["raw"].is_object(), "{answer}");
    for (path, methods) in paths {
        let called = path.replace("{id}", "nobody");
        for (method, op) in methods.as_object().unwrap() {
            assert!(op["summary"].as_str().is_some_and(|told| !told.is_empty()), "{path}");
            // Streams have no end, and what ends or drains the daemon comes last.
            let is_endless = op["responses"]["200"]["content"]["text/event-stream"].is_object();
            if is_endless || ["/v1/shutdown", "/v1/drain"].contains(&path.as_str()) {
                continue;
            }
            // A body that none of them takes.
            let reply = match method.as_str() {
                "get" => get(&bench, &called),
                _ => post(&bench, &called, b"[1"),
            };
            let told = reply.body.as_str();
            assert!(
                reply.status != 405 && !told.contains("there is no "),
                "{method} {path}: {told}"
            );
            let is_wrong = method == "post" || path.contains("{id}");
            assert_eq!(reply.status >= 400, is_wrong, "{method} {path}: {told}");
        }
        // One method that is not told of.
        let other = if methods.get("get").is_some() { "DELETE" } else { "GET" };
        assert_eq!(call(socket(&bench), other, &called, "host: sm\r\n", b"").status, 405, "{path}");
    }
    // What design.md names is there.
    for path in [
        "/v1/sessions",
        "/v1/sessions/{id}",
        "/v1/sessions/{id}/events",
        "/sessions/{id}/codex-events",
        "/v1/sessions/{id}/turns",
        "/v1/sessions/{id}/actions",
        "/v1/sessions/{id}/messages",
        "/v1/sessions/{id}/children",
        "/v1/sessions/{id}/input",
        "/v1/requests",
        "/v1/requests/{id}",
        "/v1/events",
        "/v1/sessions/stream",
        "/metrics",
        "/healthz",
        "/openapi.json",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let fields = &paths["/v1/sessions/{id}/input"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"]["properties"];
    assert_eq!(fields["text"], json!({"type": "string"}));
}

#[test]
fn pages_of_sessions_joined_are_all_of_them() {
    let bench = Bench::start();
    let mut ids: Vec<String> = (0..5).map(|_| bench.spawn(&bench.wish("say: hi")).id).collect();
    ids.iter().for_each(|id| drop(bench.settled(id, 1)));
    let all = get(&bench, "/v1/sessions").json();
    assert_eq!(all["next"], Value::Null);
    let id_of = |row: &Value| row["id"].as_str().unwrap().to_owned();
    let all: Vec<String> = all["sessions"].as_array().unwrap().iter().map(id_of).collect();
    let (mut joined, mut path) = (Vec::new(), "/v1/sessions?limit=2".to_owned());
    loop {
        let page = get(&bench, &path).json();
        let rows = page["sessions"].as_array().unwrap();
        assert!(rows.len() <= 2);
        joined.extend(rows.iter().map(id_of));
        let Some(next) = page["next"].as_u64() else { break };
        path = format!("/v1/sessions?limit=2&before={next}");
    }
    assert_eq!(joined, all);
    joined.sort();
    ids.sort();
    assert_eq!(joined, ids);
    // What has changed since.
    let seq = get(&bench, "/healthz").json()["watermark"].as_u64().unwrap();
    bench.send(&ids[3], "say: again", sm_daemon::api::Mode::Start).unwrap();
    let changed = get(&bench, &format!("/v1/sessions?since_seq={seq}")).json();
    let changed: Vec<String> = changed["sessions"].as_array().unwrap().iter().map(id_of).collect();
    assert_eq!(changed, [ids[3].clone()]);
}

#[test]
fn the_stream_of_sessions_is_a_snapshot_then_whole_rows() {
    let bench = Bench::start();
    let one = bench.spawn(&bench.wish("say: one")).id;
    bench.settled(&one, 1);
    let mut stream = Stream::open(&bench, "/v1/sessions/stream");
    let (name, id, snapshot) = stream.next();
    assert_eq!((name.as_str(), &snapshot["cursor"]), ("snapshot", &json!(id)));
    assert_eq!(snapshot["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(snapshot["sessions"][0], bench.session(&one));
    let two = bench.spawn(&bench.wish("say: two")).id;
    let settled = bench.settled(&two, 1);
    // Rows come until the newest is what the session is now, and none is less than a row.
    loop {
        let (name, _, row) = stream.next();
        assert_eq!(name, "session");
        assert!(row["counts"].is_object() && row["thread_id"].is_string(), "{row}");
        if row == settled {
            break;
        }
    }
    // That its server is gone stands in no row of its own.
    crate::bench::kill(bench.server_pid());
    while stream.next().2["activity_state"] != "stopped" {}
}

#[test]
fn metrics_are_what_the_tables_say() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch it\nsay: done")).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    bench.send(&id, "say: later", sm_daemon::api::Mode::Queue).unwrap();
    let reply = get(&bench, "/metrics");
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4"), "{}", reply.head);
    let number = |name: &str| {
        let found = reply.body.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        found.unwrap_or_else(|| panic!("no {name} in {}", reply.body)).parse::<u64>().unwrap()
    };
    assert!(number("sm_log_watermark") > 10);
    assert_eq!(number("sm_event_persist_errors_total"), 0);
    assert_eq!(number("sm_sessions{state=\"waiting_permission\"}"), 1);
    assert_eq!(number("sm_sessions{state=\"idle\"}"), 0);
    assert_eq!((number("sm_requests_waiting"), number("sm_inputs_waiting")), (1, 1));
    assert_eq!((number("sm_servers"), number("sm_sessions_resuming")), (1, 0));
    // Each is told once, with its type before it.
    for line in reply.body.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split([' ', '{']).next().unwrap();
        assert_eq!(reply.body.matches(&format!("# TYPE {name} ")).count(), 1, "{name}");
    }
    bench.decide(&request, "accept").unwrap();
    bench.settled(&id, 2);
}

#[test]
fn tcp_takes_only_calls_with_the_token_for_this_host() {
    let mut bench = Bench::start();
    bench.stop_daemon();
    bench.tcp = true;
    bench.serve();
    let url = bench.client().health().unwrap().tcp.unwrap();
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let file = bench.home.http_token_path();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(token.len(), 64);
    let ask = |host: &str, token: &str| {
        let headers = format!("host: {host}\r\n{token}");
        call(TcpStream::connect(&address).unwrap(), "GET", "/healthz", &headers, b"")
    };
    let right = format!("authorization: Bearer {token}\r\n");
    assert_eq!(ask(&address, &right).status, 200);
    let port = address.rsplit_once(':').unwrap().1;
    assert_eq!(ask(&format!("localhost:{port}"), &right).status, 200);
    for scheme in ["bearer", "BEARER"] {
        assert_eq!(ask(&address, &format!("authorization: {scheme} {token}\r\n")).status, 200);
    }
    let wrong = format!("authorization: Bearer {}\r\n", &token[1..]);
    for header in ["", "authorization: Basic eDp5\r\n", "authorization: Bearer \r\n", &wrong] {
        let reply = ask(&address, header);
        assert_eq!((reply.status, reply.code().as_str()), (401, "unauthorized"), "{header:?}");
        assert!(reply.head.contains("www-authenticate: bearer"), "{}", reply.head);
        assert!(reply.json()["error"]["hint"].as_str().unwrap().contains("http-token"));
    }
    // Who stays on the line may do there what it may do elsewhere.
    let grant = json!({ "command": ["ls"], "until": 32_503_680_000_000_000_i64 }).to_string();
    let headers = format!("host: {address}\r\n{right}");
    let line = TcpStream::connect(&address).unwrap();
    let reply = call(line, "POST", "/v1/rules", &headers, grant.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.body);
    // A name of somebody else's that leads here is of no use, with the token or without.
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1"] {
        let reply = ask(host, &right);
        assert_eq!((reply.status, reply.code().as_str()), (403, "wrong_host"), "{host}");
    }
    // The token is kept over restarts.
    bench.stop_daemon();
    bench.serve();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), token);
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_code_and_what_to_do() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: hi")).id;
    bench.settled(&id, 1);
    let input = format!("/v1/sessions/{id}/input");
    let long = vec![b'a'; 10 << 20];
    let long_text = [&b"{\"text\":\""[..], &long, b"\"}"].concat();
    let long_name = [&b"{\"name\":\""[..], &long, b"\"}"].concat();
    let long_word = format!("/v1/sessions/{}", "a".repeat(4000));
    let rename = format!("/v1/sessions/{id}/name");
    let cases: &[(&str, &str, &[u8], u16, &str)] = &[
        ("GET", "/v1/sessions/nobody", b"", 404, "not_found"),
        ("GET", &long_word, b"", 404, "not_found"),
        ("GET", "/v1/sessions/%00%1b%5b31m", b"", 404, "not_found"),
        ("GET", "/v1/sessions/%ff%fe", b"", 400, "bad_request"),
        ("GET", "/v1/sessions?limit=-1", b"", 400, "bad_request"),
        ("GET", "/v1/sessions?limit=many", b"", 400, "bad_request"),
        ("GET", "/v1/requests?status=odd", b"", 400, "bad_request"),
        ("GET", "/v1/requests/r999999", b"", 404, "not_found"),
        ("GET", "/v1/requests/x", b"", 404, "not_found"),
        ("GET", "/v1/inputs/i999999", b"", 404, "not_found"),
        ("GET", "/v1/events?after=x:y", b"", 400, "bad_request"),
        ("GET", "/v1/events?after=99999999", b"", 400, "bad_request"),
        ("GET", &format!("/v1/sessions/{id}/events?since_seq=99999999"), b"", 400, "bad_request"),
        ("POST", &input, b"{", 400, "bad_request"),
        ("POST", &input, b"[]", 400, "bad_request"),
        ("POST", &input, b"[\"say: x\"]", 400, "bad_request"),
        ("POST", &input, b"{\"text\":\"a\",\"modee\":\"steer\"}", 400, "bad_request"),
        ("POST", &input, b"{\"text\":\"a\",\"settings\":{\"modell\":\"m\"}}", 400, "bad_request"),
        ("POST", "/v1/sessions", b"{\"sandboxx\":\"read-only\"}", 400, "bad_request"),
        ("POST", "/v1/sessions/nobody/looked", b"{\"seq\":1}", 404, "not_found"),
        // Read to its end, or whoever still writes it would see no answer.
        ("PUT", &input, &long_text, 405, "bad_request"),
        ("POST", "/nowhere", &long_text, 404, "not_found"),
        ("POST", &input, b"{\"text\":7}", 400, "bad_request"),
        ("POST", &input, b"{\"text\":\"a\",\"mode\":\"odd\"}", 400, "bad_request"),
        ("POST", &input, b"{}", 400, "bad_request"),
        ("POST", &input, b"{\"text\":\"\\u0007\"}", 400, "bad_text"),
        ("POST", &input, b"{\"text\":\"\xff\"}", 400, "bad_request"),
        ("POST", &input, &long_text, 413, "too_long"),
        ("POST", &rename, b"{\"name\":\"a\\u001b[31m\"}", 400, "bad_request"),
        ("POST", &rename, &long_name, 400, "bad_request"),
        ("POST", "/v1/sessions/nobody/stop", b"", 404, "not_found"),
        ("POST", "/v1/requests/r1", b"{\"decision\":\"accept\"}", 404, "not_found"),
        ("POST", "/v1/shutdown", b"{\"by\":7}", 400, "bad_request"),
        ("GET", "/nowhere", b"", 404, "not_found"),
        ("PUT", "/healthz", b"", 405, "bad_request"),
    ];
    for (method, path, body, status, code) in cases {
        let reply = call(socket(&bench), method, path, "host: sm\r\n", body);
        let shown: String = path.chars().take(60).collect();
        assert_eq!((reply.status, reply.code().as_str()), (*status, *code), "{method} {shown}");
        let error = &reply.json()["error"];
        assert!(error["message"].as_str().is_some_and(|told| !told.is_empty()), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{shown}: {error}");
        assert!(reply.body.len() < 9000, "{shown} is told of in {} bytes", reply.body.len());
    }
    // A body beyond all measure.
    let head = "host: sm\r\n";
    let huge = call(socket(&bench), "POST", &input, head, &vec![b' '; (64 << 20) + 1]);
    assert_eq!((huge.status, huge.code().as_str()), (413, "too_long"));
    assert_eq!(get(&bench, &format!("/v1/sessions/{id}")).status, 200);
}

#[test]
fn an_import_goes_on_without_its_caller_and_another_waits_for_its_end() {
    let bench = Bench::start();
    let words = "words ".repeat(4000);
    let line = |number: u32| {
        let params = json!({ "threadId": "T", "number": number, "words": words });
        json!({ "method": "turn/started", "params": params }).to_string() + "\n"
    };
    let transcript: String = (0..100).map(line).collect();
    let file = bench.work.join("transcript");
    std::fs::write(&file, &transcript).unwrap();
    // The same as pipes: it is read for its digest, then for its lines, as fast as this test lets it.
    let [pipe, digested, read] = ["pipe", "digested", "read"].map(|name| bench.work.join(name));
    for pipe in [&digested, &read] {
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    }
    std::os::unix::fs::symlink(&digested, &pipe).unwrap();
    let open = |pipe: &Path| std::fs::File::options().write(true).open(pipe).unwrap();
    let asked = json!({ "path": pipe }).to_string();
    let mut caller = socket(&bench);
    let head = format!(
        "POST /v1/import HTTP/1.1\r\nhost: sm\r\ncontent-length: {}\r\n\r\n{asked}",
        asked.len()
    );
    caller.write_all(head.as_bytes()).unwrap();
    let mut writer = open(&digested);
    std::fs::remove_file(&pipe).unwrap();
    std::os::unix::fs::symlink(&read, &pipe).unwrap();
    writer.write_all(transcript.as_bytes()).unwrap();
    drop(writer);
    let (begin, rest) = transcript.split_at(transcript.len() / 2);
    let mut writer = open(&read);
    // More of it than a pipe holds: it is being read once that is through.
    writer.write_all(begin.as_bytes()).unwrap();
    let imported = |bench: &Bench| {
        let records = bench.records().into_iter();
        let lines =
            records.map(|record| String::from_utf8(record.payload.to_vec()).unwrap() + "\n");
        lines.filter(|line| transcript.contains(line.as_str())).collect::<Vec<_>>()
    };
    drop(caller);
    let asked = json!({ "path": file }).to_string();
    std::thread::scope(|scope| {
        let again = scope.spawn(|| post(&bench, "/v1/import", asked.as_bytes()));
        // Time for it to record what it must not.
        std::thread::sleep(std::time::Duration::from_millis(500));
        writer.write_all(rest.as_bytes()).unwrap();
        drop(writer);
        let again = again.join().unwrap();
        assert_eq!((again.status, again.code().as_str()), (409, "already_imported"));
    });
    assert_eq!(imported(&bench).concat(), transcript);
}

/// A connection made by a process that has ended since, and this end of it. The daemon is held still meanwhile, so
/// that it never sees who it was.
fn of_one_that_is_gone(bench: &Bench) -> UnixStream {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    use rustix::process::Signal;
    use std::os::unix::process::CommandExt;
    let ours = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let address = SocketAddrUnix::new(bench.home.socket_path()).unwrap();
    let theirs = ours.try_clone().unwrap();
    let mut caller = std::process::Command::new("true");
    // SAFETY: a system call, and nothing else, happens between fork and exec.
    unsafe {
        caller.pre_exec(move || Ok(connect(&theirs, &address)?));
    }
    signal(bench.daemon_pid(), Signal::STOP);
    let daemon = ProcessId::of(bench.daemon_pid()).unwrap();
    bench.wait("the daemon stands still", || daemon.is_stopped().then_some(()));
    assert!(caller.status().unwrap().success());
    signal(bench.daemon_pid(), Signal::CONT);
    UnixStream::from(ours)
}

#[test]
fn nothing_is_done_for_a_caller_that_is_gone_before_it_is_looked_at() {
    let bench = Bench::start();
    let grant = |name: &str| json!({ "name": name, "command": ["ls"], "until": 32_503_680_000_000_000_i64 });
    let told = |reply: Reply| (reply.status, reply.code());
    for (path, body) in [
        ("/v1/rules", grant("forged").to_string()),
        ("/v1/sessions", json!({ "prompt": "say: hi" }).to_string()),
        ("/v1/shutdown", json!({ "by": "user" }).to_string()),
    ] {
        let reply =
            call(of_one_that_is_gone(&bench), "POST", path, "host: sm\r\n", body.as_bytes());
        assert!(reply.json()["error"]["hint"].as_str().unwrap().contains("wait for the answer"));
        assert_eq!(told(reply), (403, "forbidden".to_owned()), "{path}");
    }
    // What all may read it may read.
    let reply = call(of_one_that_is_gone(&bench), "GET", "/v1/sessions", "host: sm\r\n", b"");
    assert_eq!((reply.status, &reply.json()["sessions"]), (200, &json!([])));
    assert!(!get(&bench, "/v1/rules").body.contains("forged"));
    // One that stays is heard.
    let reply = post(&bench, "/v1/rules", grant("own").to_string().as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.body);
}
