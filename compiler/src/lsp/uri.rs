//! URIs of documents as the paths that the compiler works with.

use crate::source::join_include;
use gen_lsp_types::Uri;

/// The path of a document: of a file the path, of anything else the URI itself.
pub(super) fn path(uri: &Uri) -> String {
    let Some(rest) = uri.as_ref().strip_prefix("file://") else { return uri.as_ref().to_owned() };
    // An authority other than the empty one or `localhost` is a network share.
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let decoded = decode(path);
    // `/C:/dir` is `C:/dir`.
    match decoded.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => join_include("", &decoded[1..]),
        _ => join_include("", &decoded),
    }
}

/// The URI of a path that [`path`] gave or that an `include` leads to.
pub(super) fn of_path(path: &str) -> Uri {
    if path.contains(':') && !path.starts_with('/') && path.as_bytes().get(1) != Some(&b':') {
        return Uri::from(path);
    }
    let mut uri = "file://".to_owned();
    if !path.starts_with('/') {
        uri.push('/');
    }
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(byte as char),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    Uri::from(uri)
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|&byte| (byte as char).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_uris_are_inverses() {
        for plain in ["/a/b.pv", "/a b/ü%.pv", "untitled:Untitled-1", "C:/x/y.pv"] {
            assert_eq!(path(&of_path(plain)), plain);
        }
        assert_eq!(path(&Uri::from("file:///c%3A/x.pv")), "c:/x.pv");
        assert_eq!(path(&Uri::from("file:///a%zz")), "/a%zz");
    }
}
