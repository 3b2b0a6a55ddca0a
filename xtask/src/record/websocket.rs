//! As much of a WebSocket client as Codex needs: text messages over loopback, unmasked in effect.
//!
//! A client has to mask what it sends; a mask of zeros is one, and keeps this short.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const CONTROL: u8 = 8;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Connects and shakes hands, waiting for a server that is still starting.
///
/// # Errors
/// When nobody listens within ten seconds, or it is no WebSocket server.
pub fn connect(port: u16) -> Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: c20gcmVjb3JkZXIgMDAwMA==\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        answer.extend_from_slice(&byte);
    }
    match answer.starts_with(b"HTTP/1.1 101") {
        true => Ok(stream),
        false => Err(Error::new(ErrorKind::InvalidData, "no WebSocket server")),
    }
}

/// Sends a text message.
///
/// # Errors
/// When the connection is gone.
pub fn write(stream: &mut TcpStream, message: &[u8]) -> Result<()> {
    let mut frame = vec![FINAL | TEXT];
    match message.len() {
        len @ 0..=125 => frame.push(MASKED | len as u8),
        len @ 126..=0xffff => {
            frame.push(MASKED | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(MASKED | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(message);
    stream.write_all(&frame)
}

/// Reads a message, its pieces joined; `None` when the server says good-bye. Pings are passed
/// over: a recording is shorter than any server's patience.
///
/// # Errors
/// When the connection breaks off.
pub fn read(stream: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let len = match head[1] & !MASKED {
            126 => {
                let mut len = [0; 2];
                stream.read_exact(&mut len)?;
                u64::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                stream.read_exact(&mut len)?;
                u64::from_be_bytes(len)
            }
            len => u64::from(len),
        };
        let mut piece = Vec::new();
        stream.by_ref().take(len).read_to_end(&mut piece)?;
        let kind = head[0] & 0x0f;
        if kind == CLOSE {
            return Ok(None);
        }
        if kind & CONTROL == 0 {
            message.extend_from_slice(&piece);
            if head[0] & FINAL != 0 {
                return Ok(Some(message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_and_pings_passed_over() {
        let mut bytes: &[u8] = b"\x01\x02ab\x89\x01!\x80\x01c\x88\x00";
        assert_eq!(read(&mut bytes).unwrap().unwrap(), b"abc");
        assert_eq!(read(&mut bytes).unwrap(), None);
        assert!(read(&mut bytes).is_err());
    }
}
