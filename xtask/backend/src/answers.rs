//! What is answered: whole responses, head and body, made once.

/// Bytes of the body where nothing else is asked for.
const SMALL_BYTES: usize = 100;
/// Bytes of the body of `/64k`.
const MEDIUM_BYTES: usize = 64 * 1024;
/// Bytes of the body of `/1m`.
const LARGE_BYTES: usize = 1024 * 1024;

/// The responses. A connection remembers which one it sends by its [`Which`].
pub(crate) struct Answers {
    small: Vec<u8>,
    medium: Vec<u8>,
    large: Vec<u8>,
    refusal: Vec<u8>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// A hundred bytes.
    Small,
    /// 64 KiB.
    Medium,
    /// 1 MiB.
    Large,
    /// A request that is not understood.
    Refusal,
}

impl Answers {
    /// Those of a revision.
    pub(crate) fn new(revision: &str) -> Self {
        let answer = |status: &str, bytes: usize| {
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {bytes}\r\nx-revision: {revision}\r\n\r\n"
            );
            let mut answer = head.into_bytes();
            answer.resize(answer.len() + bytes, b'x');
            answer
        };
        Self {
            small: answer("200 OK", SMALL_BYTES),
            medium: answer("200 OK", MEDIUM_BYTES),
            large: answer("200 OK", LARGE_BYTES),
            refusal: answer("400 Bad Request", 0),
        }
    }

    /// The bytes of one.
    pub(crate) fn bytes(&self, which: Which) -> &[u8] {
        match which {
            Which::Small => &self.small,
            Which::Medium => &self.medium,
            Which::Large => &self.large,
            Which::Refusal => &self.refusal,
        }
    }
}
