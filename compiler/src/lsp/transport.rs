//! Standard input and output as a connection.
//!
//! Threads of our own instead of `Connection::stdio`: there a message that is no JSON ends the reader and with it the
//! server; here it is logged and passed over, for the next one begins where its length says.

use crossbeam_channel::{Sender, unbounded};
use lsp_server::{Connection, Message};
use std::io::{self, BufRead, Read, Write};
use std::thread::JoinHandle;

/// The longest message that is read.
const MAX_MESSAGE: usize = 256 << 20;

/// The thread that writes; it ends when the connection is dropped.
pub(super) struct Writer(JoinHandle<io::Result<()>>);

impl Writer {
    pub(super) fn join(self) -> io::Result<()> {
        self.0.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")))
    }
}

/// A connection over standard input and output.
pub(super) fn stdio() -> (Connection, Writer) {
    let (sender, to_write) = unbounded::<Message>();
    let (read, receiver) = unbounded::<Message>();
    let writer = std::thread::spawn(move || {
        let mut out = io::stdout().lock();
        for message in to_write {
            message.write(&mut out)?;
            out.flush()?;
        }
        Ok(())
    });
    // Not joined: it may wait for input for ever.
    std::thread::spawn(move || read_all(&mut io::stdin().lock(), &read));
    (Connection { sender, receiver }, Writer(writer))
}

/// Hands on messages until the input ends.
fn read_all(input: &mut dyn BufRead, to: &Sender<Message>) {
    loop {
        match read(input) {
            Ok(Some(Ok(message))) => {
                if to.send(message).is_err() {
                    return;
                }
            }
            Ok(Some(Err(problem))) => eprintln!("pvc lsp: {problem}"),
            Ok(None) => return,
            Err(error) => {
                eprintln!("pvc lsp: {error}");
                return;
            }
        }
    }
}

/// The next message, or why it is none; `None` at the end of the input.
fn read(input: &mut dyn BufRead) -> io::Result<Option<Result<Message, String>>> {
    let mut len = None;
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let header = line.trim();
        if header.is_empty() {
            if len.is_some() {
                break;
            }
            continue;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            len = value.trim().parse::<usize>().ok().filter(|len| *len <= MAX_MESSAGE);
            if len.is_none() {
                return Err(io::Error::other(format!("not a length of a message: `{}`", value.trim())));
            }
        }
    }
    let mut body = Vec::new();
    let len = len.unwrap_or(0);
    input.take(len as u64).read_to_end(&mut body)?;
    if body.len() < len {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&body).map_err(|error| format!("not a message: {error}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_message_does_not_hide_the_next() {
        let good = r#"{"jsonrpc":"2.0","method":"exit"}"#;
        let mut text = String::new();
        for body in ["{", "[1]", "", good] {
            text += &format!("Content-Type: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
        let (sender, receiver) = unbounded();
        read_all(&mut text.as_bytes(), &sender);
        drop(sender);
        let found: Vec<_> = receiver.into_iter().collect();
        assert!(matches!(&found[..], [Message::Notification(one)] if one.method == "exit"), "{found:?}");
    }
}
